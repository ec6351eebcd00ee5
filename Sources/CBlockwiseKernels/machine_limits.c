// What the machine can do at best: reading memory, and arithmetic on registers alone. For measuring, not for passes.
#include "CBlockwiseKernels.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

enum { LINE = 64, WORDS = LINE / 8 };

// `count` is a constant wherever this is called, so that the sums stay in registers.
static inline __attribute__((always_inline)) uint64_t read_streams(
    const uint64_t *data, ptrdiff_t words, ptrdiff_t count, ptrdiff_t ahead) {
  typedef uint64_t pair __attribute__((vector_size(16)));
  const ptrdiff_t part = words / count;
  pair sums[8] = {0};
  for (ptrdiff_t i = 0; i < part; i += WORDS) {
    for (ptrdiff_t stream = 0; stream < count; stream++) {
      const pair *line = (const pair *)(data + stream * part + i);
      if (ahead > 0) __builtin_prefetch((const char *)line + ahead, 0, 3);
      sums[stream] += line[0] + line[1] + line[2] + line[3];
    }
  }
  pair total = {0};
  for (ptrdiff_t stream = 0; stream < count; stream++) total += sums[stream];
  return total[0] + total[1];
}

uint64_t bw_read_memory(const void *data, ptrdiff_t bytes, int32_t streams, ptrdiff_t ahead) {
  const ptrdiff_t words = bytes / 8;
  switch (streams) {
    case 2: return read_streams(data, words, 2, ahead);
    case 4: return read_streams(data, words, 4, ahead);
    case 8: return read_streams(data, words, 8, ahead);
    default: return read_streams(data, words, 1, ahead);
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

// Twelve independent sums cover the latency of two units; with two factors that fills the sixteen registers of AVX2.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { SUMS = 12 };

// Sums that began alike would be computed once.
#define DECLARE(i) sum##i = START(i),
#define KEEP(i) total = ADD(total, sum##i);

__attribute__((target("avx2,fma"))) static float avx2_floats(ptrdiff_t rounds, float seed) {
#define ADD _mm256_add_ps
#define START(i) _mm256_set1_ps(seed + i)
#define STEP(i) sum##i = _mm256_fmadd_ps(sum##i, factor, addend);
  const __m256 factor = _mm256_set1_ps(0.999f), addend = _mm256_set1_ps(seed);
  __m256 EACH(DECLARE) total = addend;
  for (ptrdiff_t r = 0; r < rounds; r++) { EACH(STEP) }
  EACH(KEEP)
  return _mm256_cvtss_f32(total);
#undef STEP
#undef START
#undef ADD
}

__attribute__((target("avx2"))) static float avx2_bytes(ptrdiff_t rounds, float seed) {
#define ADD _mm256_add_epi32
#define START(i) _mm256_set1_epi8((char)(seed + i))
// The input changes with the sum, so that no product can be taken out of the loop.
#define STEP(i) \
  sum##i = _mm256_add_epi32(sum##i, _mm256_madd_epi16(_mm256_maddubs_epi16(factor, sum##i), ones));
  const __m256i factor = _mm256_set1_epi8((char)seed), ones = _mm256_set1_epi16(1);
  __m256i EACH(DECLARE) total = factor;
  for (ptrdiff_t r = 0; r < rounds; r++) { EACH(STEP) }
  EACH(KEEP)
  return (float)_mm256_cvtsi256_si32(total);
#undef STEP
#undef START
#undef ADD
}

__attribute__((target("avx512f"))) static float avx512_floats(ptrdiff_t rounds, float seed) {
#define ADD _mm512_add_ps
#define START(i) _mm512_set1_ps(seed + i)
#define STEP(i) sum##i = _mm512_fmadd_ps(sum##i, factor, addend);
  const __m512 factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(seed);
  __m512 EACH(DECLARE) total = addend;
  for (ptrdiff_t r = 0; r < rounds; r++) { EACH(STEP) }
  EACH(KEEP)
  return _mm512_cvtss_f32(total);
#undef STEP
#undef START
#undef ADD
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static float avx512_bytes(ptrdiff_t rounds, float seed) {
#define ADD _mm512_add_epi32
#define START(i) _mm512_set1_epi8((char)(seed + i))
#define STEP(i) sum##i = _mm512_dpbusd_epi32(sum##i, factor, factor);
  const __m512i factor = _mm512_set1_epi8((char)seed);
  __m512i EACH(DECLARE) total = factor;
  for (ptrdiff_t r = 0; r < rounds; r++) { EACH(STEP) }
  EACH(KEEP)
  return (float)_mm512_cvtsi512_si32(total);
#undef STEP
#undef START
#undef ADD
}

double bw_run_arithmetic(const bw_kernels *kernels, int32_t use_int8, ptrdiff_t rounds, float *result) {
  // Bytes per register; an f32 takes four of them.
  ptrdiff_t width;
  if (kernels == bw_avx512_kernels()) {
    *result += use_int8 ? avx512_bytes(rounds, 3) : avx512_floats(rounds, 3);
    width = 64;
  } else if (kernels == bw_avx2_kernels()) {
    *result += use_int8 ? avx2_bytes(rounds, 3) : avx2_floats(rounds, 3);
    width = 32;
  } else {
    return 0;
  }
  return 2.0 * SUMS * (double)rounds * (double)(use_int8 ? width : width / 4);
}
#else
double bw_run_arithmetic(const bw_kernels *kernels, int32_t use_int8, ptrdiff_t rounds, float *result) {
  (void)kernels, (void)use_int8, (void)rounds, (void)result;
  return 0;
}
#endif
