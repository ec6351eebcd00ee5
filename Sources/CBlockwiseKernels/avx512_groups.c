// Products with AVX-512 and VNNI of Q5_K and of the formats of memory, I4, I4M and I5M (tiles.h). Blocks of rows and tiles
// as in avx512_matmul.c.
#if defined(__x86_64__)

#include "avx512_products.h"

#pragma STDC FP_CONTRACT OFF

/// Groups that share a head.
BW_AVX512_INLINE ptrdiff_t head_groups(int32_t format) { return format == BW_Q5_K ? BW_SUPER_GROUPS : 1; }

BW_AVX512_INLINE ptrdiff_t head_bytes(int32_t format) { return format == BW_Q5_K ? BW_SUPER_HEAD : 0; }

/// Bytes of a group without its share of the head.
BW_AVX512_INLINE ptrdiff_t code_bytes(int32_t format) {
  return format == BW_Q5_K ? BW_Q5K_GROUP : bw_group_bytes(format);
}

/// Quad `quad` (0…7) of a group for 16 rows, four codes to a lane; of I4 what the table says.
BW_AVX512_INLINE __m512i quad_of(int32_t format, const uint8_t *codes, __m512i table, int quad) {
  const __m512i bytes = _mm512_loadu_si512(codes + 64 * (quad % 4));
  const __m512i low = _mm512_and_si512(quad < 4 ? bytes : _mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
  if (format == BW_I4) return _mm512_shuffle_epi8(table, low);
  if (format == BW_I4M) return low;
  // Bit `quad` of the plane becomes bit 4.
  const __m512i plane = _mm512_loadu_si512(codes + BW_Q5K_PLANE);
  const __m512i high = quad < 4 ? _mm512_slli_epi16(plane, (unsigned)(4 - quad))
                                : _mm512_srli_epi16(plane, (unsigned)(quad - 4));
  return _mm512_or_si512(low, _mm512_and_si512(high, _mm512_set1_epi8(16)));
}

/// The table of a group of I4.
BW_AVX512_INLINE __m512i table_of(int32_t format, const uint8_t *codes) {
  if (format != BW_I4) return _mm512_setzero_si512();
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(codes + BW_I4_TABLE)));
}

/// Scale of part `part` of group `g` behind a head.
BW_AVX512_INLINE __m512 scale_of(
    int32_t format, const uint8_t *head, const uint8_t *codes, ptrdiff_t g, int part) {
  if (format != BW_Q5_K) return _mm512_loadu_ps(codes + bw_scales_offset(format) + 64 * part);
  return bw_unsigned_scales(bw_halves_16(head), head + BW_Q4K_SCALES + BW_TILE_ROWS * g);
}

BW_AVX512_INLINE __m512 minimum_of(
    int32_t format, const uint8_t *head, const uint8_t *codes, ptrdiff_t g, int part) {
  if (format != BW_Q5_K) return _mm512_loadu_ps(codes + bw_minima_offset(format) + 64 * part);
  return bw_unsigned_scales(bw_halves_16(head + BW_Q4K_MIN_D), head + BW_Q4K_MINS + BW_TILE_ROWS * g);
}

/// f32 activations: R rows from `row`, T tiles from `tile`.
BW_AVX512_INLINE void block_f32(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  const int part_count = bw_part_count(format);
  const uint8_t *head = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t first = 0; first < job->groups; first += head_groups(format)) {
    const uint8_t *codes = head + head_bytes(format);
    BW_ROLLED
    for (ptrdiff_t g = 0; g < head_groups(format); g++, codes += code_bytes(format), x += BW_GROUP) {
      bw_fetch_ahead(&next, T * bw_group_bytes(format));
      __m512 sums[4][8];
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        BW_UNROLL
        for (int r = 0; r < R; r++) sums[t][r] = _mm512_setzero_ps();
      }
      __m512i table[4];
      BW_UNROLL
      for (int t = 0; t < T; t++) table[t] = table_of(format, codes + t * job->tile_bytes);
      BW_UNROLL
      for (int half = 0; half < 2; half++) {
        const int part = part_count == 1 ? 0 : half;
        __m512 scale[4], minimum[4];
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const ptrdiff_t offset = t * job->tile_bytes;
          scale[t] = scale_of(format, head + offset, codes + offset, g, part);
          if (bw_has_minimum(format)) minimum[t] = minimum_of(format, head + offset, codes + offset, g, part);
        }
        BW_UNROLL
        for (int quad = 4 * half; quad < 4 * half + 4; quad++) {
          BW_UNROLL
          for (int t = 0; t < T; t++) {
            const __m512i packed = quad_of(format, codes + t * job->tile_bytes, table[t], quad);
            BW_UNROLL
            for (int k = 0; k < 4; k++) {
              const __m512i code =
                  format == BW_I4
                      ? _mm512_srai_epi32(_mm512_slli_epi32(packed, (unsigned)(24 - 8 * k)), 24)
                      : _mm512_and_si512(_mm512_srli_epi32(packed, (unsigned)(8 * k)), _mm512_set1_epi32(255));
              __m512 w = _mm512_mul_ps(scale[t], _mm512_cvtepi32_ps(code));
              if (bw_has_minimum(format)) w = _mm512_sub_ps(w, minimum[t]);
              BW_UNROLL
              for (int r = 0; r < R; r++) {
                const __m512 value = _mm512_set1_ps(x[r * job->x_stride + 4 * quad + k]);
                sums[t][r] = _mm512_fmadd_ps(w, value, sums[t][r]);
              }
            }
          }
        }
      }
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        BW_UNROLL
        for (int r = 0; r < R; r++) totals[t][r] = _mm512_add_ps(totals[t][r], sums[t][r]);
      }
    }
    head = codes;
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

/// int8 activations: R rows from `row`, T tiles from `tile`.
///
/// The instruction multiplies unsigned by signed bytes. Tables become unsigned by adding 128; what that adds to a sum is
/// a multiple of the sum of the activations, which every sum starts without.
BW_AVX512_INLINE void block_int8(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  const int part_count = bw_part_count(format);
  const __m512i sign = _mm512_set1_epi8((char)0x80);
  const uint8_t *head = (const uint8_t *)job->packed + tile * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t first = 0; first < job->groups; first += head_groups(format)) {
    const uint8_t *codes = head + head_bytes(format);
    BW_ROLLED
    for (ptrdiff_t g = 0; g < head_groups(format); g++, codes += code_bytes(format), x.group++) {
      bw_fetch_ahead(&next, T * bw_group_bytes(format));
      __m512i table[4];
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        table[t] = _mm512_xor_si512(table_of(format, codes + t * job->tile_bytes), sign);
      }
      BW_UNROLL
      for (int part = 0; part < part_count; part++) {
        __m512i dots[4][8];
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i start =
              format == BW_I4 ? _mm512_slli_epi32(_mm512_set1_epi32(bw_part_offset(&x, r, part_count, part)), 4)
                              : _mm512_setzero_si512();
          BW_UNROLL
          for (int t = 0; t < T; t++) dots[t][r] = start;
        }
        BW_UNROLL
        for (int quad = 8 / part_count * part; quad < 8 / part_count * (part + 1); quad++) {
          __m512i w[4];
          BW_UNROLL
          for (int t = 0; t < T; t++) {
            w[t] = quad_of(format, codes + t * job->tile_bytes, table[t], quad);
          }
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m512i value = bw_broadcast_quad(bw_quad_codes(&x, r, quad));
            BW_UNROLL
            for (int t = 0; t < T; t++) dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], w[t], value);
          }
        }
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const ptrdiff_t offset = t * job->tile_bytes;
          const __m512 scale = scale_of(format, head + offset, codes + offset, g, part);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(bw_group_scale(&x, r)));
            totals[t][r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), factor, totals[t][r]);
          }
          if (!bw_has_minimum(format)) continue;
          const __m512 minimum = minimum_of(format, head + offset, codes + offset, g, part);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m512 shift = _mm512_set1_ps(bw_part_shift(&x, r, part_count, part));
            totals[t][r] = _mm512_fnmadd_ps(minimum, shift, totals[t][r]);
          }
        }
      }
    }
    head = codes;
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

/// One block of either kind.
BW_AVX512_INLINE void block(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  if (is_int8) {
    block_int8(format, R, T, job, tile, row, next);
  } else {
    block_f32(format, R, T, job, tile, row, next);
  }
}

#include "avx512_units.h"

BW_AVX512 void tiles_of_q5k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 0, job, first, end);
}
BW_AVX512 void tiles_of_i4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 0, job, first, end);
}
BW_AVX512 void tiles_of_i4m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 0, job, first, end);
}
BW_AVX512 void tiles_of_i5m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 0, job, first, end);
}
BW_AVX512 void tiles_of_q5k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 1, job, first, end);
}
BW_AVX512 void tiles_of_i4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 1, job, first, end);
}
BW_AVX512 void tiles_of_i4m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 1, job, first, end);
}
BW_AVX512 void tiles_of_i5m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 1, job, first, end);
}

bw_tiles_function *bw_avx512_groups(int32_t format, int is_int8) {
  switch (format) {
    case BW_Q5_K: return is_int8 ? tiles_of_q5k_int8 : tiles_of_q5k;
    case BW_I4: return is_int8 ? tiles_of_i4_int8 : tiles_of_i4;
    case BW_I4M: return is_int8 ? tiles_of_i4m_int8 : tiles_of_i4m;
    case BW_I5M: return is_int8 ? tiles_of_i5m_int8 : tiles_of_i5m;
    default: return NULL;
  }
}

#else
typedef int bw_avx512_groups_is_x86_only;
#endif
