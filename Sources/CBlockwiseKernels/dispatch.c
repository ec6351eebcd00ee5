// Which variants this machine can run, and the reductions that are the same code for all of them.
#include <math.h>

#include "CBlockwiseKernels.h"
#include "variants.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <TargetConditionals.h>
#endif

#pragma STDC FP_CONTRACT OFF

const bw_kernels *bw_avx2_kernels(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    return bw_avx2_table();
  }
#endif
  return NULL;
}

const bw_kernels *bw_avx512_kernels(void) {
#if defined(__x86_64__)
  if (bw_avx2_kernels() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vnni")) {
    return bw_avx512_table();
  }
#endif
  return NULL;
}

const bw_kernels *bw_neon_kernels(void) {
#if defined(__aarch64__) && defined(__linux__)
  // HWCAP_ASIMDDP, by its value for C libraries that do not name it.
  if (getauxval(AT_HWCAP) & (1ul << 20)) return bw_neon_table();
#elif defined(__aarch64__) && defined(__APPLE__) && TARGET_OS_OSX
  // Every Mac with an arm64 processor has the dot products.
  return bw_neon_table();
#endif
  return NULL;
}

static void keep_top_two(bw_logit_statistics *r, float value, int32_t index) {
  if (index < 0) return;
  // Candidates come with rising tile number, so an equal value that is already kept has the lower index.
  if (r->top_index < 0 || value > r->top) {
    r->second = r->top;
    r->second_index = r->top_index;
    r->top = value;
    r->top_index = index;
  } else if (r->second_index < 0 || value > r->second) {
    r->second = value;
    r->second_index = index;
  }
}

void bw_reduce_logits(const bw_kernels *kernels, const float *x, ptrdiff_t count, bw_logit_statistics *result) {
  bw_logit_statistics r = {.top = -INFINITY, .second = -INFINITY, .top_index = -1, .second_index = -1};
  double shift = -INFINITY, sum = 0, weighted = 0;
  for (ptrdiff_t start = 0; start < count; start += BW_LOGIT_TILE) {
    const ptrdiff_t length = count - start < BW_LOGIT_TILE ? count - start : BW_LOGIT_TILE;
    bw_logit_tile tile;
    kernels->reduce_logits(x + start, length, &tile);
    if (tile.invalid) {
      *result = (bw_logit_statistics){.top_index = -1, .second_index = -1, .invalid = 1};
      return;
    }
    keep_top_two(&r, tile.top, (int32_t)start + tile.top_index);
    if (tile.second_index >= 0) keep_top_two(&r, tile.second, (int32_t)start + tile.second_index);
    if (!(tile.top > -INFINITY)) continue;
    const double next = tile.top > shift ? tile.top : shift;
    if (sum > 0) {
      const double down = shift - next, factor = exp(down);
      weighted = factor * (weighted + down * sum);
      sum = factor * sum;
    }
    const double down = tile.top - next, factor = exp(down);
    weighted += factor * ((double)tile.weighted + down * (double)tile.sum);
    sum += factor * (double)tile.sum;
    shift = next;
  }
  r.log_sum_exp = sum > 0 ? shift + log(sum) : -INFINITY;
  const double entropy = sum > 0 ? log(sum) - weighted / sum : 0;
  r.entropy = entropy > 0 ? entropy : 0;
  *result = r;
}
