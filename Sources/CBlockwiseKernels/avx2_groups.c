// Products with AVX2 of Q5_K and of the formats of memory, I4, I4M and I5M (tiles.h). Blocks of rows and tiles as in
// avx2_matmul.c.
#if defined(__x86_64__)

#include "avx2_products.h"

#pragma STDC FP_CONTRACT OFF

/// Groups that share a head.
BW_AVX2_INLINE ptrdiff_t head_groups(int32_t format) { return format == BW_Q5_K ? BW_SUPER_GROUPS : 1; }

BW_AVX2_INLINE ptrdiff_t head_bytes(int32_t format) { return format == BW_Q5_K ? BW_SUPER_HEAD : 0; }

/// Bytes of a group without its share of the head.
BW_AVX2_INLINE ptrdiff_t code_bytes(int32_t format) {
  return format == BW_Q5_K ? BW_Q5K_GROUP : bw_group_bytes(format);
}

/// Quad `quad` (0…7) of a group for the eight rows from row 8 · side, four codes to a lane; of I4 what the table says.
BW_AVX2_INLINE __m256i quad_of(int32_t format, const uint8_t *codes, int quad, int side) {
  const __m256i bytes = bw_load_codes(codes + 64 * (quad % 4) + 32 * side);
  const __m256i low = _mm256_and_si256(_mm256_srli_epi16(bytes, quad < 4 ? 0 : 4), _mm256_set1_epi8(15));
  if (format == BW_I4M) return low;
  if (format == BW_I4) {
    const __m128i table = _mm_load_si128((const __m128i *)(const void *)(codes + BW_I4_TABLE));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), low);
  }
  // Bit `quad` of the plane becomes bit 4.
  const __m256i plane = bw_load_codes(codes + BW_Q5K_PLANE + 32 * side);
  const __m256i high = quad < 4 ? _mm256_slli_epi16(plane, 4 - quad) : _mm256_srli_epi16(plane, quad - 4);
  return _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(16)));
}

BW_AVX2_INLINE __m256 load_floats(const uint8_t *floats) {
  return _mm256_load_ps((const float *)(const void *)floats);
}

/// Scale of part `part` of group `g` behind a head.
BW_AVX2_INLINE __m256 scale_of(
    int32_t format, const uint8_t *head, const uint8_t *codes, ptrdiff_t g, int part, int side) {
  if (format != BW_Q5_K) return load_floats(codes + bw_scales_offset(format) + 64 * part + 32 * side);
  return bw_unsigned_scales(head, head + BW_Q4K_SCALES + BW_TILE_ROWS * g, side);
}

BW_AVX2_INLINE __m256 minimum_of(
    int32_t format, const uint8_t *head, const uint8_t *codes, ptrdiff_t g, int part, int side) {
  if (format != BW_Q5_K) return load_floats(codes + bw_minima_offset(format) + 64 * part + 32 * side);
  return bw_unsigned_scales(head + BW_Q4K_MIN_D, head + BW_Q4K_MINS + BW_TILE_ROWS * g, side);
}

/// f32 activations: R rows from `row`, T tiles from `tile`.
BW_AVX2_INLINE void block_f32(int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  const int part_count = bw_part_count(format);
  const uint8_t *head = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m256 totals[4][4][2];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r][0] = totals[t][r][1] = _mm256_setzero_ps();
  }
  for (ptrdiff_t first = 0; first < job->groups; first += head_groups(format)) {
    const uint8_t *codes = head + head_bytes(format);
    BW_ROLLED
    for (ptrdiff_t g = 0; g < head_groups(format); g++, codes += code_bytes(format), x += BW_GROUP) {
      BW_UNROLL
      for (int t = 0; t < T; t++) bw_prefetch_group(codes + t * job->tile_bytes, code_bytes(format));
      __m256 sums[4][4][2];
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        BW_UNROLL
        for (int r = 0; r < R; r++) sums[t][r][0] = sums[t][r][1] = _mm256_setzero_ps();
      }
      BW_UNROLL
      for (int half = 0; half < 2; half++) {
        const int part = part_count == 1 ? 0 : half;
        BW_UNROLL
        for (int quad = 4 * half; quad < 4 * half + 4; quad++) {
          BW_UNROLL
          for (int t = 0; t < T; t++) {
            const ptrdiff_t offset = t * job->tile_bytes;
            BW_UNROLL
            for (int side = 0; side < 2; side++) {
              const __m256i packed = quad_of(format, codes + offset, quad, side);
              const __m256 scale = scale_of(format, head + offset, codes + offset, g, part, side);
              const __m256 minimum = bw_has_minimum(format)
                                         ? minimum_of(format, head + offset, codes + offset, g, part, side)
                                         : _mm256_setzero_ps();
              BW_UNROLL
              for (int k = 0; k < 4; k++) {
                const __m256i code =
                    format == BW_I4
                        ? _mm256_srai_epi32(_mm256_slli_epi32(packed, 24 - 8 * k), 24)
                        : _mm256_and_si256(_mm256_srli_epi32(packed, 8 * k), _mm256_set1_epi32(255));
                __m256 w = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(code));
                if (bw_has_minimum(format)) w = _mm256_sub_ps(w, minimum);
                BW_UNROLL
                for (int r = 0; r < R; r++) {
                  const __m256 value = _mm256_broadcast_ss(x + r * job->x_stride + 4 * quad + k);
                  sums[t][r][side] = _mm256_fmadd_ps(w, value, sums[t][r][side]);
                }
              }
            }
          }
        }
      }
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          totals[t][r][0] = _mm256_add_ps(totals[t][r][0], sums[t][r][0]);
          totals[t][r][1] = _mm256_add_ps(totals[t][r][1], sums[t][r][1]);
        }
      }
    }
    head = codes;
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r][0], totals[t][r][1]);
  }
}

/// Exact dot products of half a group with R int8 rows.
BW_AVX2_INLINE void half_dots(
    int32_t format, int R, const uint8_t *codes, const bw_activations *x, int half, __m256i dots[4][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  BW_UNROLL
  for (int r = 0; r < R; r++) dots[r][0] = dots[r][1] = _mm256_setzero_si256();
  BW_UNROLL
  for (int quad = 4 * half; quad < 4 * half + 4; quad++) {
    const __m256i w[2] = {quad_of(format, codes, quad, 0), quad_of(format, codes, quad, 1)};
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const __m256i value = bw_broadcast_quad(bw_quad_codes(x, r, quad));
      BW_UNROLL
      for (int side = 0; side < 2; side++) {
        if (format == BW_I4) {
          // |-128| is 128 as an unsigned byte; pairs stay below 2 · 128 · 127 = 32512, so nothing saturates.
          const __m256i pairs =
              _mm256_maddubs_epi16(_mm256_abs_epi8(w[side]), _mm256_sign_epi8(value, w[side]));
          dots[r][side] = _mm256_add_epi32(dots[r][side], _mm256_madd_epi16(pairs, ones));
        } else {
          // Four pairs of at most 2 · 31 · 127 stay within 16 bits.
          dots[r][side] = _mm256_add_epi16(dots[r][side], _mm256_maddubs_epi16(w[side], value));
        }
      }
    }
  }
  if (format == BW_I4) return;
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    dots[r][0] = _mm256_madd_epi16(dots[r][0], ones);
    dots[r][1] = _mm256_madd_epi16(dots[r][1], ones);
  }
}

/// int8 activations: R rows from `row`, one tile.
BW_AVX2_INLINE void block_int8(int32_t format, int R, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  const int part_count = bw_part_count(format);
  const uint8_t *head = (const uint8_t *)job->packed + tile * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  __m256 totals[4][2];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (ptrdiff_t first = 0; first < job->groups; first += head_groups(format)) {
    const uint8_t *codes = head + head_bytes(format);
    BW_ROLLED
    for (ptrdiff_t g = 0; g < head_groups(format); g++, codes += code_bytes(format), x.group++) {
      bw_prefetch_group(codes, code_bytes(format));
      BW_UNROLL
      for (int part = 0; part < part_count; part++) {
        __m256i dots[4][2];
        half_dots(format, R, codes, &x, part, dots);
        if (part_count == 1) {
          __m256i second[4][2];
          half_dots(format, R, codes, &x, 1, second);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            dots[r][0] = _mm256_add_epi32(dots[r][0], second[r][0]);
            dots[r][1] = _mm256_add_epi32(dots[r][1], second[r][1]);
          }
        }
        BW_UNROLL
        for (int side = 0; side < 2; side++) {
          const __m256 scale = scale_of(format, head, codes, g, part, side);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(bw_group_scale(&x, r)));
            totals[r][side] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][side]), factor, totals[r][side]);
          }
          if (!bw_has_minimum(format)) continue;
          const __m256 minimum = minimum_of(format, head, codes, g, part, side);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m256 shift = _mm256_set1_ps(bw_part_shift(&x, r, part_count, part));
            totals[r][side] = _mm256_fnmadd_ps(minimum, shift, totals[r][side]);
          }
        }
      }
    }
    head = codes;
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) bw_store_outputs(job, tile, row + r, totals[r][0], totals[r][1]);
}

/// R rows of the tiles [first, end), T at a time.
BW_AVX2_INLINE void rows_of_tiles(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end, ptrdiff_t row) {
  ptrdiff_t tile = first;
  if (is_int8) {
    for (; tile < end; tile++) block_int8(format, R, job, tile, row);
    return;
  }
  for (; tile + T <= end; tile += T) block_f32(format, R, T, job, tile, row);
  for (; tile < end; tile++) block_f32(format, R, 1, job, tile, row);
}

/// All rows of a few tiles, which stay in the second-level cache meanwhile.
BW_AVX2_INLINE void all_rows(int32_t format, int is_int8, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  ptrdiff_t row = 0;
  for (; row + 4 <= job->row_count; row += 4) rows_of_tiles(format, is_int8, 4, 1, job, first, end, row);
  switch (job->row_count - row) {
    case 3: rows_of_tiles(format, is_int8, 3, 1, job, first, end, row); break;
    case 2: rows_of_tiles(format, is_int8, 2, 2, job, first, end, row); break;
    case 1: rows_of_tiles(format, is_int8, 1, 4, job, first, end, row); break;
    default: break;
  }
}

BW_AVX2 void tiles_of_q5k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 0, job, first, end);
}
BW_AVX2 void tiles_of_i4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 0, job, first, end);
}
BW_AVX2 void tiles_of_i4m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 0, job, first, end);
}
BW_AVX2 void tiles_of_i5m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 0, job, first, end);
}
BW_AVX2 void tiles_of_q5k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 1, job, first, end);
}
BW_AVX2 void tiles_of_i4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 1, job, first, end);
}
BW_AVX2 void tiles_of_i4m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 1, job, first, end);
}
BW_AVX2 void tiles_of_i5m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 1, job, first, end);
}

bw_tiles_function *bw_avx2_groups(int32_t format, int is_int8) {
  switch (format) {
    case BW_Q5_K: return is_int8 ? tiles_of_q5k_int8 : tiles_of_q5k;
    case BW_I4: return is_int8 ? tiles_of_i4_int8 : tiles_of_i4;
    case BW_I4M: return is_int8 ? tiles_of_i4m_int8 : tiles_of_i4m;
    case BW_I5M: return is_int8 ? tiles_of_i5m_int8 : tiles_of_i5m;
    default: return NULL;
  }
}

#else
typedef int bw_avx2_groups_is_x86_only;
#endif
