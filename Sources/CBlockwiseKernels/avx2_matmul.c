// Products with AVX2: lanes are output rows, so the inner dimension of every output is summed in index order.
//
// A block is R activation rows times T tiles of 16 output rows. Weights are unpacked once per block; R · T is chosen
// so that enough independent sums hide the latency of one addition. The block shape never changes a result.
#if defined(__x86_64__)

#include "avx2_products.h"

#pragma STDC FP_CONTRACT OFF

/// Weights of inner element 4 · quad + k for 8 rows starting at row 8 · half, as float (scale not applied).
BW_AVX2_INLINE __m256 weights(int32_t format, const uint8_t *group, int quad, int k, int half) {
  const ptrdiff_t index = (4 * quad + k) * BW_TILE_ROWS + 8 * half;
  switch (format) {
    case BW_F32: return _mm256_load_ps((const float *)(const void *)group + index);
    case BW_F16: return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(group + 2 * index)));
    case BW_BF16: {
      const __m128i halves = _mm_load_si128((const __m128i *)(const void *)(group + 2 * index));
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
    }
    case BW_Q8_0: {
      const __m256i bytes = _mm256_load_si256((const __m256i *)(const void *)(group + 64 * quad + 32 * half));
      return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(bytes, 24 - 8 * k), 24));
    }
    default: {
      const __m256i bytes = _mm256_load_si256((const __m256i *)(const void *)(group + 64 * (quad % 4) + 32 * half));
      const __m256i nibbles =
          _mm256_and_si256(_mm256_srli_epi32(bytes, 8 * k + (quad < 4 ? 0 : 4)), _mm256_set1_epi32(15));
      return _mm256_cvtepi32_ps(_mm256_sub_epi32(nibbles, _mm256_set1_epi32(8)));
    }
  }
}

BW_AVX2_INLINE __m256 scales(int32_t format, const uint8_t *group, int half) {
  const ptrdiff_t offset = format == BW_Q8_0 ? BW_GROUP * BW_TILE_ROWS : BW_GROUP * BW_TILE_ROWS / 2;
  return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(group + offset + 16 * half)));
}

/// f32 activations: R rows from `row`, T tiles from `tile`.
BW_AVX2_INLINE void block_f32(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  const int quantized = format == BW_Q8_0 || format == BW_Q4_0;
  const uint8_t *group = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m256 totals[4][4][2];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r][0] = totals[t][r][1] = _mm256_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, group += bw_group_bytes(format), x += BW_GROUP) {
    BW_UNROLL
    for (int t = 0; t < T; t++) bw_prefetch_group(group + t * job->tile_bytes, bw_group_bytes(format));
    __m256 sums[4][4][2];
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      BW_UNROLL
      for (int r = 0; r < R; r++) sums[t][r][0] = sums[t][r][1] = _mm256_setzero_ps();
    }
    for (int quad = 0; quad < 8; quad++) {
      BW_UNROLL
      for (int k = 0; k < 4; k++) {
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const __m256 low = weights(format, group + t * job->tile_bytes, quad, k, 0);
          const __m256 high = weights(format, group + t * job->tile_bytes, quad, k, 1);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m256 value = _mm256_broadcast_ss(x + r * job->x_stride + 4 * quad + k);
            sums[t][r][0] = _mm256_fmadd_ps(low, value, sums[t][r][0]);
            sums[t][r][1] = _mm256_fmadd_ps(high, value, sums[t][r][1]);
          }
        }
      }
    }
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      BW_UNROLL
      for (int h = 0; h < 2; h++) {
        if (quantized) {
          const __m256 scale = scales(format, group + t * job->tile_bytes, h);
          BW_UNROLL
          for (int r = 0; r < R; r++) totals[t][r][h] = _mm256_fmadd_ps(scale, sums[t][r][h], totals[t][r][h]);
        } else {
          BW_UNROLL
          for (int r = 0; r < R; r++) totals[t][r][h] = _mm256_add_ps(totals[t][r][h], sums[t][r][h]);
        }
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r][0], totals[t][r][1]);
  }
}

/// Exact dot products of one group of Q8_0 weights with R int8 rows.
BW_AVX2_INLINE void dots_q8(int R, const uint8_t *group, const bw_activations *x, __m256i dots[4][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  BW_UNROLL
  for (int r = 0; r < R; r++) dots[r][0] = dots[r][1] = _mm256_setzero_si256();
  // Unrolled, the compiler would go row by row and keep the weights of the whole group on the stack.
  BW_ROLLED
  for (int quad = 0; quad < 8; quad++) {
    const __m256i low = _mm256_load_si256((const __m256i *)(const void *)(group + 64 * quad));
    const __m256i high = _mm256_load_si256((const __m256i *)(const void *)(group + 64 * quad + 32));
    // |-128| is 128 as an unsigned byte; pairs stay below 2 · 128 · 127 = 32512, so nothing saturates.
    const __m256i low_magnitude = _mm256_abs_epi8(low), high_magnitude = _mm256_abs_epi8(high);
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const __m256i value = bw_broadcast_quad(bw_quad_codes(x, r, quad));
      const __m256i low_pairs = _mm256_maddubs_epi16(low_magnitude, _mm256_sign_epi8(value, low));
      const __m256i high_pairs = _mm256_maddubs_epi16(high_magnitude, _mm256_sign_epi8(value, high));
      dots[r][0] = _mm256_add_epi32(dots[r][0], _mm256_madd_epi16(low_pairs, ones));
      dots[r][1] = _mm256_add_epi32(dots[r][1], _mm256_madd_epi16(high_pairs, ones));
    }
  }
}

/// Exact dot products of one group of Q4_0 weights (nibble - 8) with R int8 rows.
BW_AVX2_INLINE void dots_q4(int R, const uint8_t *group, const bw_activations *x, __m256i dots[4][2]) {
  const __m256i ones = _mm256_set1_epi16(1), mask = _mm256_set1_epi8(15);
  BW_UNROLL
  for (int r = 0; r < R; r++) dots[r][0] = dots[r][1] = _mm256_setzero_si256();
  BW_ROLLED
  for (int quad = 0; quad < 4; quad++) {
    BW_UNROLL
    for (int h = 0; h < 2; h++) {
      const __m256i bytes = _mm256_load_si256((const __m256i *)(const void *)(group + 64 * quad + 32 * h));
      const __m256i near = _mm256_and_si256(bytes, mask);
      const __m256i far = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
      BW_UNROLL
      for (int r = 0; r < R; r++) {
        const int8_t *row = bw_quad_codes(x, r, quad);
        // Eight pairs of at most 2 · 15 · 127 stay within 16 bits.
        dots[r][h] = _mm256_add_epi16(dots[r][h], _mm256_maddubs_epi16(near, bw_broadcast_quad(row)));
        dots[r][h] = _mm256_add_epi16(dots[r][h], _mm256_maddubs_epi16(far, bw_broadcast_quad(row + 16)));
      }
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    const __m256i offset = _mm256_set1_epi32(bw_part_offset(x, r, 1, 0));
    dots[r][0] = _mm256_add_epi32(_mm256_madd_epi16(dots[r][0], ones), offset);
    dots[r][1] = _mm256_add_epi32(_mm256_madd_epi16(dots[r][1], ones), offset);
  }
}

/// int8 activations: R rows from `row`, one tile.
BW_AVX2_INLINE void block_int8(int32_t format, int R, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  const uint8_t *group = (const uint8_t *)job->packed + tile * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  __m256 totals[4][2];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (ptrdiff_t g = 0; g < job->groups; g++, group += bw_group_bytes(format), x.group++) {
    bw_prefetch_group(group, bw_group_bytes(format));
    __m256i dots[4][2];
    if (format == BW_Q8_0) {
      dots_q8(R, group, &x, dots);
    } else {
      dots_q4(R, group, &x, dots);
    }
    const __m256 low = scales(format, group, 0), high = scales(format, group, 1);
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const __m256 x_scale = _mm256_set1_ps(bw_group_scale(&x, r));
      totals[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][0]), _mm256_mul_ps(low, x_scale), totals[r][0]);
      totals[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][1]), _mm256_mul_ps(high, x_scale), totals[r][1]);
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) bw_store_outputs(job, tile, row + r, totals[r][0], totals[r][1]);
}

// MARK: - Blocks of 256 (tiles.h)

BW_AVX2_INLINE __m256 signed_scales(const uint8_t *d, const uint8_t *factors, int half) {
  const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(factors + 8 * half));
  return _mm256_mul_ps(bw_halves_8(d + 16 * half), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
}

/// Codes of quad `quad` (0…7) of a group of Q6_K for eight rows, 0…63, four to a lane.
BW_AVX2_INLINE __m256i q6k_quad(const uint8_t *codes, int quad, int half) {
  const __m256i nibbles = bw_load_codes(codes + 64 * (quad % 4) + 32 * half);
  const __m256i plane = bw_load_codes(codes + BW_Q6K_PLANES + 64 * (quad % 2) + 32 * half);
  const __m256i low = _mm256_and_si256(_mm256_srli_epi16(nibbles, quad < 4 ? 0 : 4), _mm256_set1_epi8(15));
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(plane, 2 * (quad / 2)), _mm256_set1_epi8(3));
  return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
}

/// R rows of one tile, f32 activations.
BW_AVX2_INLINE void super_f32(int32_t format, int R, const bw_matmul *job, ptrdiff_t t, ptrdiff_t row) {
  const uint8_t *tile = (const uint8_t *)job->packed + t * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m256 totals[4][2];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (ptrdiff_t g = 0; g < job->groups; g++, x += BW_GROUP) {
    const ptrdiff_t part = g % BW_SUPER_GROUPS;
    const uint8_t *super = format == BW_Q4_K ? bw_q4k_super(tile, g) : bw_q6k_super(tile, g);
    const uint8_t *codes = format == BW_Q4_K ? bw_q4k_codes(tile, g) : bw_q6k_codes(tile, g);
    __m256 scale[2][2], min[2];
    BW_UNROLL
    for (int h = 0; h < 2; h++) {
      if (format == BW_Q4_K) {
        scale[0][h] = scale[1][h] = bw_unsigned_scales(super, super + BW_Q4K_SCALES + 16 * part, h);
        min[h] = bw_unsigned_scales(super + BW_Q4K_MIN_D, super + BW_Q4K_MINS + 16 * part, h);
      } else {
        scale[0][h] = signed_scales(super, super + BW_Q6K_SCALES + 32 * part, h);
        scale[1][h] = signed_scales(super, super + BW_Q6K_SCALES + 32 * part + 16, h);
        min[h] = _mm256_setzero_ps();
      }
    }
    __m256 sums[4][2];
    BW_UNROLL
    for (int r = 0; r < R; r++) sums[r][0] = sums[r][1] = _mm256_setzero_ps();
    BW_UNROLL
    for (int quad = 0; quad < 8; quad++) {
      __m256i packed[2];
      BW_UNROLL
      for (int h = 0; h < 2; h++) {
        packed[h] = format == BW_Q4_K
                        ? _mm256_and_si256(
                              _mm256_srli_epi16(bw_load_codes(codes + 64 * (quad % 4) + 32 * h), quad < 4 ? 0 : 4),
                              _mm256_set1_epi8(15))
                        : q6k_quad(codes, quad, h);
      }
      BW_UNROLL
      for (int k = 0; k < 4; k++) {
        __m256 w[2];
        BW_UNROLL
        for (int h = 0; h < 2; h++) {
          const __m256i code = _mm256_and_si256(_mm256_srli_epi32(packed[h], 8 * k), _mm256_set1_epi32(255));
          if (format == BW_Q4_K) {
            w[h] = _mm256_sub_ps(_mm256_mul_ps(scale[0][h], _mm256_cvtepi32_ps(code)), min[h]);
          } else {
            const __m256i centred = _mm256_sub_epi32(code, _mm256_set1_epi32(32));
            w[h] = _mm256_mul_ps(scale[quad / 4][h], _mm256_cvtepi32_ps(centred));
          }
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m256 value = _mm256_broadcast_ss(x + r * job->x_stride + 4 * quad + k);
          sums[r][0] = _mm256_fmadd_ps(w[0], value, sums[r][0]);
          sums[r][1] = _mm256_fmadd_ps(w[1], value, sums[r][1]);
        }
      }
    }
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      totals[r][0] = _mm256_add_ps(totals[r][0], sums[r][0]);
      totals[r][1] = _mm256_add_ps(totals[r][1], sums[r][1]);
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) bw_store_outputs(job, t, row + r, totals[r][0], totals[r][1]);
}

/// R rows of one tile, int8 activations.
BW_AVX2_INLINE void super_int8(int32_t format, int R, const bw_matmul *job, ptrdiff_t t, ptrdiff_t row) {
  const uint8_t *tile = (const uint8_t *)job->packed + t * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 totals[4][2];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (ptrdiff_t g = 0; g < job->groups; g++, x.group++) {
    const ptrdiff_t part = g % BW_SUPER_GROUPS;
    const uint8_t *super = format == BW_Q4_K ? bw_q4k_super(tile, g) : bw_q6k_super(tile, g);
    const uint8_t *codes = format == BW_Q4_K ? bw_q4k_codes(tile, g) : bw_q6k_codes(tile, g);
    bw_prefetch_group(codes, format == BW_Q4_K ? BW_Q4K_GROUP : BW_Q6K_GROUP);
    // A scale holds for a whole group of Q4_K, for half a group of Q6_K.
    const int part_count = format == BW_Q4_K ? 1 : 2;
    BW_UNROLL
    for (int s = 0; s < part_count; s++) {
      __m256i dots[4][2];
      BW_UNROLL
      for (int r = 0; r < R; r++) dots[r][0] = dots[r][1] = _mm256_setzero_si256();
      BW_UNROLL
      for (int quad = 4 * s; quad < (part_count == 1 ? 8 : 4 * s + 4); quad++) {
        __m256i w[2];
        BW_UNROLL
        for (int h = 0; h < 2; h++) {
          w[h] = format == BW_Q4_K
                     ? _mm256_and_si256(
                           _mm256_srli_epi16(bw_load_codes(codes + 64 * (quad % 4) + 32 * h), quad < 4 ? 0 : 4),
                           _mm256_set1_epi8(15))
                     : q6k_quad(codes, quad, h);
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m256i value = bw_broadcast_quad(bw_quad_codes(&x, r, quad));
          BW_UNROLL
          for (int h = 0; h < 2; h++) {
            // Pairs of at most 2 · 63 · 127 stay within 16 bits.
            dots[r][h] =
                _mm256_add_epi32(dots[r][h], _mm256_madd_epi16(_mm256_maddubs_epi16(w[h], value), ones));
          }
        }
      }
      BW_UNROLL
      for (int h = 0; h < 2; h++) {
        const __m256 scale = format == BW_Q4_K ? bw_unsigned_scales(super, super + BW_Q4K_SCALES + 16 * part, h)
                                               : signed_scales(super, super + BW_Q6K_SCALES + 32 * part + 16 * s, h);
        const __m256 min = bw_unsigned_scales(super + BW_Q4K_MIN_D, super + BW_Q4K_MINS + 16 * part, h);
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const float x_scale = bw_group_scale(&x, r);
          __m256i dot = dots[r][h];
          if (format == BW_Q6_K) {
            const __m256i offset = _mm256_set1_epi32(bw_part_offset(&x, r, 2, s));
            dot = _mm256_add_epi32(dot, _mm256_slli_epi32(offset, 2));
          }
          totals[r][h] = _mm256_fmadd_ps(
              _mm256_cvtepi32_ps(dot), _mm256_mul_ps(scale, _mm256_set1_ps(x_scale)), totals[r][h]);
          if (format == BW_Q4_K) {
            const float shift = bw_part_shift(&x, r, 1, 0);
            totals[r][h] = _mm256_fnmadd_ps(min, _mm256_set1_ps(shift), totals[r][h]);
          }
        }
      }
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) bw_store_outputs(job, t, row + r, totals[r][0], totals[r][1]);
}

BW_AVX2_INLINE void super_rows(
    int32_t format, int is_int8, int R, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  if (is_int8) {
    super_int8(format, R, job, tile, row);
  } else {
    super_f32(format, R, job, tile, row);
  }
}

BW_AVX2_INLINE void super_tiles(
    int32_t format, int is_int8, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  for (ptrdiff_t tile = first; tile < end; tile++) {
    ptrdiff_t row = 0;
    for (; row + 4 <= job->row_count; row += 4) super_rows(format, is_int8, 4, job, tile, row);
    switch (job->row_count - row) {
      case 3: super_rows(format, is_int8, 3, job, tile, row); break;
      case 2: super_rows(format, is_int8, 2, job, tile, row); break;
      case 1: super_rows(format, is_int8, 1, job, tile, row); break;
      default: break;
    }
  }
}

BW_AVX2 void tiles_of_q4k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  super_tiles(BW_Q4_K, 0, job, first, end);
}
BW_AVX2 void tiles_of_q6k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  super_tiles(BW_Q6_K, 0, job, first, end);
}
BW_AVX2 void tiles_of_q4k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  super_tiles(BW_Q4_K, 1, job, first, end);
}
BW_AVX2 void tiles_of_q6k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  super_tiles(BW_Q6_K, 1, job, first, end);
}

// MARK: - Tiles

/// All rows of up to BW_TILES_TOGETHER tiles, which stay in the second-level cache meanwhile.
BW_AVX2_INLINE void tiles_f32(int32_t format, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  ptrdiff_t row = 0;
  for (; row + 4 <= job->row_count; row += 4) {
    for (ptrdiff_t tile = first; tile < end; tile++) block_f32(format, 4, 1, job, tile, row);
  }
  if (row + 3 == job->row_count) {
    for (ptrdiff_t tile = first; tile < end; tile++) block_f32(format, 3, 1, job, tile, row);
    return;
  }
  if (row + 2 == job->row_count) {
    ptrdiff_t tile = first;
    for (; tile + 2 <= end; tile += 2) block_f32(format, 2, 2, job, tile, row);
    for (; tile < end; tile++) block_f32(format, 2, 1, job, tile, row);
  } else if (row < job->row_count) {
    ptrdiff_t tile = first;
    for (; tile + 4 <= end; tile += 4) block_f32(format, 1, 4, job, tile, row);
    for (; tile < end; tile++) block_f32(format, 1, 1, job, tile, row);
  }
}

BW_AVX2_INLINE void tiles_int8(int32_t format, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  for (ptrdiff_t tile = first; tile < end; tile++) {
    ptrdiff_t row = 0;
    for (; row + 4 <= job->row_count; row += 4) block_int8(format, 4, job, tile, row);
    switch (job->row_count - row) {
      case 3: block_int8(format, 3, job, tile, row); break;
      case 2: block_int8(format, 2, job, tile, row); break;
      case 1: block_int8(format, 1, job, tile, row); break;
      default: break;
    }
  }
}

BW_AVX2 void tiles_of_f32(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_f32(BW_F32, job, first, end);
}
BW_AVX2 void tiles_of_f16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_f32(BW_F16, job, first, end);
}
BW_AVX2 void tiles_of_bf16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_f32(BW_BF16, job, first, end);
}
BW_AVX2 void tiles_of_q8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_f32(BW_Q8_0, job, first, end);
}
BW_AVX2 void tiles_of_q4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_f32(BW_Q4_0, job, first, end);
}
BW_AVX2 void tiles_of_q8_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_int8(BW_Q8_0, job, first, end);
}
BW_AVX2 void tiles_of_q4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  tiles_int8(BW_Q4_0, job, first, end);
}

static bw_tiles_function *product_of(int32_t format, int is_int8) {
  switch (format) {
    case BW_F32: return tiles_of_f32;
    case BW_F16: return tiles_of_f16;
    case BW_BF16: return tiles_of_bf16;
    case BW_Q8_0: return is_int8 ? tiles_of_q8_int8 : tiles_of_q8;
    case BW_Q4_0: return is_int8 ? tiles_of_q4_int8 : tiles_of_q4;
    case BW_Q4_K: return is_int8 ? tiles_of_q4k_int8 : tiles_of_q4k;
    case BW_Q6_K: return is_int8 ? tiles_of_q6k_int8 : tiles_of_q6k;
    default: return bw_avx2_groups(format, is_int8);
  }
}

int32_t bw_avx2_has_product(int32_t format) { return product_of(format, 0) && product_of(format, 1); }

void bw_avx2_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile) {
  bw_tiles_function *tiles = product_of(job->format, job->use_int8);
  if (!tiles) tiles = bw_scalar_kernels()->matmul;
  for (ptrdiff_t first = first_tile; first < end_tile; first += BW_TILES_TOGETHER) {
    const ptrdiff_t end = end_tile - first < BW_TILES_TOGETHER ? end_tile : first + BW_TILES_TOGETHER;
    tiles(job, first, end);
  }
}

#else
typedef int bw_avx2_matmul_is_x86_only;
#endif
