// Products with AVX-512 and VNNI: one vector holds the 16 output rows of a tile, so the inner dimension of every output
// is summed in index order, as in every other variant.
//
// A block is R activation rows times T tiles. Weights are unpacked once per block; R · T is chosen so that enough
// independent sums hide the latency of one addition and the registers suffice. The block shape never changes a result.
#if defined(__x86_64__)

#include "avx512_products.h"

#pragma STDC FP_CONTRACT OFF

/// Weights of inner element 4 · quad + k of a tile, as float (scale not applied).
BW_AVX512_INLINE __m512 weights(int32_t format, const uint8_t *group, int quad, int k) {
  const ptrdiff_t index = (4 * quad + k) * BW_TILE_ROWS;
  switch (format) {
    case BW_F32: return _mm512_loadu_ps(group + 4 * index);
    case BW_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(group + 2 * index)));
    case BW_BF16: {
      const __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)(group + 2 * index));
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
    }
    case BW_Q8_0: {
      const __m512i bytes = _mm512_loadu_si512(group + 64 * quad);
      return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(bytes, (unsigned)(24 - 8 * k)), 24));
    }
    default: {
      const __m512i bytes = _mm512_loadu_si512(group + 64 * (quad % 4));
      const __m512i nibbles = _mm512_and_si512(
          _mm512_srli_epi32(bytes, (unsigned)(8 * k + (quad < 4 ? 0 : 4))), _mm512_set1_epi32(15));
      return _mm512_cvtepi32_ps(_mm512_sub_epi32(nibbles, _mm512_set1_epi32(8)));
    }
  }
}

BW_AVX512_INLINE __m512 scales(int32_t format, const uint8_t *group) {
  const ptrdiff_t offset = format == BW_Q8_0 ? BW_GROUP * BW_TILE_ROWS : BW_GROUP * BW_TILE_ROWS / 2;
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(group + offset)));
}

/// f32 activations: R rows from `row`, T tiles from `tile`.
BW_AVX512_INLINE void block_f32(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  const int quantized = format == BW_Q8_0 || format == BW_Q4_0;
  const uint8_t *group = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, group += bw_group_bytes(format), x += BW_GROUP) {
    bw_fetch_ahead(&next, T * bw_group_bytes(format));
    __m512 sums[4][8];
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      BW_UNROLL
      for (int r = 0; r < R; r++) sums[t][r] = _mm512_setzero_ps();
    }
    for (int quad = 0; quad < 8; quad++) {
      BW_UNROLL
      for (int k = 0; k < 4; k++) {
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const __m512 w = weights(format, group + t * job->tile_bytes, quad, k);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            sums[t][r] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[r * job->x_stride + 4 * quad + k]), sums[t][r]);
          }
        }
      }
    }
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      const __m512 scale = quantized ? scales(format, group + t * job->tile_bytes) : _mm512_setzero_ps();
      BW_UNROLL
      for (int r = 0; r < R; r++) {
        totals[t][r] = quantized ? _mm512_fmadd_ps(scale, sums[t][r], totals[t][r])
                                 : _mm512_add_ps(totals[t][r], sums[t][r]);
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

/// int8 activations: R rows from `row`, T tiles from `tile`.
///
/// The instruction multiplies unsigned by signed bytes. Weights become unsigned by adding 128 (Q8_0) or stay the nibble
/// they are (Q4_0, 8 more than the weight); what that adds to a sum is a multiple of the sum of the activations, which
/// every sum starts without.
BW_AVX512_INLINE void block_int8(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  const uint8_t *group = (const uint8_t *)job->packed + tile * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  const __m512i sign = _mm512_set1_epi8((char)0x80), nibble = _mm512_set1_epi8(15);
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, group += bw_group_bytes(format), x.group++) {
    bw_fetch_ahead(&next, T * bw_group_bytes(format));
    __m512i dots[4][8];
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const __m512i offset = _mm512_set1_epi32(bw_part_offset(&x, r, 1, 0));
      const __m512i start = format == BW_Q8_0 ? _mm512_slli_epi32(offset, 4) : offset;
      BW_UNROLL
      for (int t = 0; t < T; t++) dots[t][r] = start;
    }
    if (format == BW_Q8_0) {
      BW_ROLLED
      for (int quad = 0; quad < 8; quad++) {
        __m512i w[4];
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          w[t] = _mm512_xor_si512(_mm512_loadu_si512(group + t * job->tile_bytes + 64 * quad), sign);
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i value = bw_broadcast_quad(bw_quad_codes(&x, r, quad));
          BW_UNROLL
          for (int t = 0; t < T; t++) dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], w[t], value);
        }
      }
    } else {
      BW_ROLLED
      for (int quad = 0; quad < 4; quad++) {
        __m512i near[4], far[4];
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const __m512i bytes = _mm512_loadu_si512(group + t * job->tile_bytes + 64 * quad);
          near[t] = _mm512_and_si512(bytes, nibble);
          far[t] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i low = bw_broadcast_quad(bw_quad_codes(&x, r, quad));
          const __m512i high = bw_broadcast_quad(bw_quad_codes(&x, r, quad + 4));
          BW_UNROLL
          for (int t = 0; t < T; t++) {
            dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], near[t], low);
            dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], far[t], high);
          }
        }
      }
    }
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      const __m512 scale = scales(format, group + t * job->tile_bytes);
      BW_UNROLL
      for (int r = 0; r < R; r++) {
        const __m512 x_scale = _mm512_set1_ps(bw_group_scale(&x, r));
        totals[t][r] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), _mm512_mul_ps(scale, x_scale), totals[t][r]);
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

// MARK: - Blocks of 256 (tiles.h)

BW_AVX512_INLINE __m512 signed_scales(__m512 d, const uint8_t *factors) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)factors);
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
}

/// Codes of quad `quad` (0…7) of a group, four to a lane: 0…15 (Q4_K) or 0…63 (Q6_K).
BW_AVX512_INLINE __m512i super_quad(int32_t format, const uint8_t *codes, int quad) {
  const __m512i nibbles = _mm512_loadu_si512(codes + 64 * (quad % 4));
  const __m512i low = _mm512_and_si512(_mm512_srli_epi16(nibbles, quad < 4 ? 0 : 4), _mm512_set1_epi8(15));
  if (format == BW_Q4_K) return low;
  const __m512i plane = _mm512_loadu_si512(codes + BW_Q6K_PLANES + 64 * (quad % 2));
  const __m512i moved = quad < 2   ? _mm512_slli_epi16(plane, 4)
                        : quad < 4 ? _mm512_slli_epi16(plane, 2)
                        : quad < 6 ? plane
                                   : _mm512_srli_epi16(plane, 2);
  return _mm512_or_si512(low, _mm512_and_si512(moved, _mm512_set1_epi8(0x30)));
}

BW_AVX512_INLINE const uint8_t *super_head(int32_t format, const uint8_t *tile, ptrdiff_t g) {
  return format == BW_Q4_K ? bw_q4k_super(tile, g) : bw_q6k_super(tile, g);
}

BW_AVX512_INLINE const uint8_t *super_codes(int32_t format, const uint8_t *tile, ptrdiff_t g) {
  return format == BW_Q4_K ? bw_q4k_codes(tile, g) : bw_q6k_codes(tile, g);
}

/// f32 activations: R rows of one tile.
BW_AVX512_INLINE void super_f32(
    int32_t format, int R, const bw_matmul *job, ptrdiff_t t, ptrdiff_t row, bw_ahead next) {
  const uint8_t *tile = (const uint8_t *)job->packed + t * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m512 totals[8];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r] = _mm512_setzero_ps();
  for (ptrdiff_t g = 0; g < job->groups; g++, x += BW_GROUP) {
    const ptrdiff_t part = g % BW_SUPER_GROUPS;
    const uint8_t *head = super_head(format, tile, g), *codes = super_codes(format, tile, g);
    bw_fetch_ahead(&next, bw_group_bytes(format));
    __m512 scale[2], min = _mm512_setzero_ps();
    if (format == BW_Q4_K) {
      scale[0] = scale[1] = bw_unsigned_scales(bw_halves_16(head), head + BW_Q4K_SCALES + 16 * part);
      min = bw_unsigned_scales(bw_halves_16(head + BW_Q4K_MIN_D), head + BW_Q4K_MINS + 16 * part);
    } else {
      scale[0] = signed_scales(bw_halves_16(head), head + BW_Q6K_SCALES + 32 * part);
      scale[1] = signed_scales(bw_halves_16(head), head + BW_Q6K_SCALES + 32 * part + 16);
    }
    __m512 sums[8];
    BW_UNROLL
    for (int r = 0; r < R; r++) sums[r] = _mm512_setzero_ps();
    BW_UNROLL
    for (int quad = 0; quad < 8; quad++) {
      const __m512i packed = super_quad(format, codes, quad);
      BW_UNROLL
      for (int k = 0; k < 4; k++) {
        const __m512i code =
            _mm512_and_si512(_mm512_srli_epi32(packed, (unsigned)(8 * k)), _mm512_set1_epi32(255));
        __m512 w;
        if (format == BW_Q4_K) {
          w = _mm512_sub_ps(_mm512_mul_ps(scale[0], _mm512_cvtepi32_ps(code)), min);
        } else {
          w = _mm512_mul_ps(
              scale[quad / 4], _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(32))));
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          sums[r] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[r * job->x_stride + 4 * quad + k]), sums[r]);
        }
      }
    }
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[r] = _mm512_add_ps(totals[r], sums[r]);
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) bw_store_outputs(job, t, row + r, totals[r]);
}

/// int8 activations: R rows from `row`, T tiles from `first`.
BW_AVX512_INLINE void super_int8(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t first, ptrdiff_t row, bw_ahead next) {
  const uint8_t *super = (const uint8_t *)job->packed + first * job->tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  const ptrdiff_t super_bytes = format == BW_Q4_K ? BW_Q4K_BYTES : BW_Q6K_BYTES;
  const ptrdiff_t code_bytes = format == BW_Q4_K ? BW_Q4K_GROUP : BW_Q6K_GROUP;
  // A scale holds for a whole group of Q4_K, for half a group of Q6_K.
  const int part_count = format == BW_Q4_K ? 1 : 2;
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t s = 0; s < job->groups / BW_SUPER_GROUPS; s++, super += super_bytes) {
    __m512 d[4], min_d[4];
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      d[t] = bw_halves_16(super + t * job->tile_bytes);
      if (format == BW_Q4_K) min_d[t] = bw_halves_16(super + t * job->tile_bytes + BW_Q4K_MIN_D);
    }
    const uint8_t *codes = super + BW_SUPER_HEAD;
    BW_ROLLED
    for (ptrdiff_t g = 0; g < BW_SUPER_GROUPS; g++, codes += code_bytes, x.group++) {
      bw_fetch_ahead(&next, T * bw_group_bytes(format));
      BW_UNROLL
      for (int part = 0; part < part_count; part++) {
        __m512i dots[4][8];
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i start =
              format == BW_Q4_K
                  ? _mm512_setzero_si512()
                  : _mm512_slli_epi32(_mm512_set1_epi32(bw_part_offset(&x, r, 2, part)), 2);
          BW_UNROLL
          for (int t = 0; t < T; t++) dots[t][r] = start;
        }
        BW_UNROLL
        for (int quad = 4 * part; quad < (part_count == 1 ? 8 : 4 * part + 4); quad++) {
          __m512i w[4];
          BW_UNROLL
          for (int t = 0; t < T; t++) w[t] = super_quad(format, codes + t * job->tile_bytes, quad);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m512i value = bw_broadcast_quad(bw_quad_codes(&x, r, quad));
            BW_UNROLL
            for (int t = 0; t < T; t++) dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], w[t], value);
          }
        }
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          const uint8_t *head = super + t * job->tile_bytes;
          const __m512 scale = format == BW_Q4_K
                                   ? bw_unsigned_scales(d[t], head + BW_Q4K_SCALES + 16 * g)
                                   : signed_scales(d[t], head + BW_Q6K_SCALES + 32 * g + 16 * part);
          BW_UNROLL
          for (int r = 0; r < R; r++) {
            const __m512 x_scale = _mm512_set1_ps(bw_group_scale(&x, r));
            totals[t][r] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), _mm512_mul_ps(scale, x_scale), totals[t][r]);
          }
          if (format == BW_Q4_K) {
            const __m512 min = bw_unsigned_scales(min_d[t], head + BW_Q4K_MINS + 16 * g);
            BW_UNROLL
            for (int r = 0; r < R; r++) {
              totals[t][r] = _mm512_fnmadd_ps(min, _mm512_set1_ps(bw_part_shift(&x, r, 1, 0)), totals[t][r]);
            }
          }
        }
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) bw_store_outputs(job, first + t, row + r, totals[t][r]);
  }
}

// MARK: - Tiles

/// One block of any kind.
BW_AVX512_INLINE void block(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, bw_ahead next) {
  if (format == BW_Q4_K || format == BW_Q6_K) {
    if (is_int8) {
      super_int8(format, R, T, job, tile, row, next);
    } else {
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        super_f32(format, R, job, tile + t, row, next);
        next.weights += job->tile_bytes;
      }
    }
  } else if (is_int8) {
    block_int8(format, R, T, job, tile, row, next);
  } else {
    block_f32(format, R, T, job, tile, row, next);
  }
}

#include "avx512_units.h"

BW_AVX512 void tiles_of_f32(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_F32, 0, job, first, end);
}
BW_AVX512 void tiles_of_f16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_F16, 0, job, first, end);
}
BW_AVX512 void tiles_of_bf16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_BF16, 0, job, first, end);
}
BW_AVX512 void tiles_of_q8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q8_0, 0, job, first, end);
}
BW_AVX512 void tiles_of_q4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_0, 0, job, first, end);
}
BW_AVX512 void tiles_of_q8_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q8_0, 1, job, first, end);
}
BW_AVX512 void tiles_of_q4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_0, 1, job, first, end);
}

BW_AVX512 void tiles_of_q4k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_K, 0, job, first, end);
}
BW_AVX512 void tiles_of_q6k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q6_K, 0, job, first, end);
}
BW_AVX512 void tiles_of_q4k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_K, 1, job, first, end);
}
BW_AVX512 void tiles_of_q6k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q6_K, 1, job, first, end);
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
    default: return bw_avx512_groups(format, is_int8);
  }
}

int32_t bw_avx512_has_product(int32_t format) { return product_of(format, 0) && product_of(format, 1); }

void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  bw_tiles_function *tiles = product_of(job->format, job->use_int8);
  if (!tiles) tiles = bw_scalar_kernels()->matmul;
  tiles(job, first, end);
}

#else
typedef int bw_avx512_matmul_is_x86_only;
#endif
