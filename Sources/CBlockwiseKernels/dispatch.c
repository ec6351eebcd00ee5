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

/// Statistics of the tiles of a row so far.
typedef struct {
  bw_logit_statistics found;
  double shift, sum, weighted;
} merged_logits;

static const merged_logits nothing_merged = {
    .found = {.top = -INFINITY, .second = -INFINITY, .top_index = -1, .second_index = -1}, .shift = -INFINITY};

static void merge_tile(merged_logits *m, const bw_logit_tile *tile, ptrdiff_t start) {
  m->found.invalid |= tile->invalid;
  if (m->found.invalid) return;
  keep_top_two(&m->found, tile->top, (int32_t)start + tile->top_index);
  if (tile->second_index >= 0) keep_top_two(&m->found, tile->second, (int32_t)start + tile->second_index);
  if (!(tile->top > -INFINITY)) return;
  const double next = tile->top > m->shift ? tile->top : m->shift;
  if (m->sum > 0) {
    const double down = m->shift - next, factor = exp(down);
    m->weighted = factor * (m->weighted + down * m->sum);
    m->sum = factor * m->sum;
  }
  const double down = tile->top - next, factor = exp(down);
  m->weighted += factor * ((double)tile->weighted + down * (double)tile->sum);
  m->sum += factor * (double)tile->sum;
  m->shift = next;
}

static bw_logit_statistics statistics_of(const merged_logits *m) {
  if (m->found.invalid) return (bw_logit_statistics){.top_index = -1, .second_index = -1, .invalid = 1};
  bw_logit_statistics r = m->found;
  r.log_sum_exp = m->sum > 0 ? m->shift + log(m->sum) : -INFINITY;
  const double entropy = m->sum > 0 ? log(m->sum) - m->weighted / m->sum : 0;
  r.entropy = entropy > 0 ? entropy : 0;
  return r;
}

void bw_reduce_logits(const bw_kernels *kernels, const float *x, ptrdiff_t count, bw_logit_statistics *result) {
  merged_logits merged = nothing_merged;
  for (ptrdiff_t start = 0; start < count; start += BW_LOGIT_TILE) {
    const ptrdiff_t length = count - start < BW_LOGIT_TILE ? count - start : BW_LOGIT_TILE;
    bw_logit_tile tile;
    kernels->reduce_logits(x + start, length, &tile);
    merge_tile(&merged, &tile, start);
  }
  *result = statistics_of(&merged);
}

void bw_merge_logits(const bw_logit_tile *tiles, ptrdiff_t tile_count, bw_logit_statistics *result) {
  merged_logits merged = nothing_merged;
  for (ptrdiff_t i = 0; i < tile_count; i++) merge_tile(&merged, tiles + i, i * BW_LOGIT_TILE);
  *result = statistics_of(&merged);
}

void bw_empty_logit_tile(ptrdiff_t count, bw_logit_tile *result) {
  *result = (bw_logit_tile){
      .top = -INFINITY, .second = -INFINITY, .top_index = 0, .second_index = count > 1 ? 1 : -1};
}
