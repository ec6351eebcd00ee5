// What the rows and the tiles of attention have in common with AVX-512.
#ifndef BLOCKWISE_AVX512_ATTENTION_H
#define BLOCKWISE_AVX512_ATTENTION_H

#if defined(__x86_64__)

#include "attention.h"
#include "avx512.h"

#pragma STDC FP_CONTRACT OFF

BW_AVX512_INLINE __m512 bw_widen_halves(int32_t format, __m256i halves) {
  if (format == BW_F16) return _mm512_cvtph_ps(halves);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/// Elements [start, start + 16) of a cached row of 16-bit numbers, zeros behind its end.
BW_AVX512_INLINE __m256i bw_load_halves(int is_part, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  const __mmask16 mask = is_part ? bw_first_lanes(dimension - start) : (__mmask16)0xffff;
  return _mm256_maskz_loadu_epi16(mask, row + 2 * start);
}

/// Elements [start, start + 16) of a cached row, zeros behind its end.
BW_AVX512_INLINE __m512 bw_load_cached(
    int32_t format, int is_part, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  const __mmask16 mask = is_part ? bw_first_lanes(dimension - start) : (__mmask16)0xffff;
  switch (format) {
    case BW_F32: return _mm512_maskz_loadu_ps(mask, row + 4 * start);
    case BW_F16:
    case BW_BF16: return bw_widen_halves(format, bw_load_halves(is_part, row, dimension, start));
    default: {
      const ptrdiff_t groups = (dimension + BW_GROUP - 1) / BW_GROUP;
      const __m128i half = _mm_cvtsi32_si128(bw_load16(row + 2 * (start / BW_GROUP)));
      const __m128i bytes = _mm_maskz_loadu_epi8(mask, row + 2 * groups + start);
      return _mm512_mul_ps(
          _mm512_broadcastss_ps(_mm_cvtph_ps(half)), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
    }
  }
}

/// The last two additions of bw_sum_lanes for four queries and four keys: from [key][element] to [key][query].
BW_AVX512_INLINE __m512 bw_sum_quads(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ac = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, a, c), _mm512_shuffle_ps(a, c, 0x4e));
  const __m512 bd = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, b, d), _mm512_shuffle_ps(b, d, 0x4e));
  const __m512 other = _mm512_permute_ps(_mm512_mask_blend_ps(0xaaaa, bd, ac), 0xb1);
  return _mm512_add_ps(_mm512_mask_blend_ps(0xaaaa, ac, bd), other);
}

/// In avx512_attention_row.c.
void bw_avx512_attend_row(const bw_row_attention *row);

#endif
#endif
