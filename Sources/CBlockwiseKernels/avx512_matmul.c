// Products with AVX-512 and VNNI: one vector holds the 16 output rows of a tile, so the inner dimension of every output
// is summed in index order, as in every other variant.
//
// A block is R activation rows times T tiles. Weights are unpacked once per block; R · T is chosen so that enough
// independent sums hide the latency of one addition and the registers suffice. The block shape never changes a result.
#if defined(__x86_64__)

#include "avx512.h"
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

enum { TILES_TOGETHER = 4, PREFETCH_BYTES = 2048 };

BW_AVX512_INLINE void prefetch_group(const uint8_t *group, ptrdiff_t bytes) {
  BW_UNROLL
  for (ptrdiff_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)group + PREFETCH_BYTES + i, _MM_HINT_T0);
}

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

BW_AVX512_INLINE void store_outputs(const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, __m512 values) {
  const ptrdiff_t first = tile * BW_TILE_ROWS;
  const ptrdiff_t left = job->rows - first;
  const __mmask16 mask = left >= BW_TILE_ROWS ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
  if (job->bias) values = _mm512_add_ps(values, _mm512_maskz_loadu_ps(mask, job->bias + first));
  _mm512_mask_storeu_ps(job->y + row * job->y_stride + first, mask, values);
}

/// f32 activations: R rows from `row`, T tiles from `tile`.
BW_AVX512_INLINE void block_f32(int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
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
    BW_UNROLL
    for (int t = 0; t < T; t++) prefetch_group(group + t * job->tile_bytes, bw_group_bytes(format));
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
    for (int r = 0; r < R; r++) store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

BW_AVX512_INLINE __m512i broadcast_quad(const int8_t *x) {
  int32_t quad;
  memcpy(&quad, x, 4);
  return _mm512_set1_epi32(quad);
}

/// int8 activations: R rows from `row`, T tiles from `tile`.
///
/// The instruction multiplies unsigned by signed bytes. Weights become unsigned by adding 128 (Q8_0) or stay the nibble
/// they are (Q4_0, 8 more than the weight); what that adds to a sum is a multiple of the sum of the activations, which
/// every sum starts without.
BW_AVX512_INLINE void block_int8(int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  const uint8_t *group = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const int8_t *x = job->xq + row * job->xq_stride;
  const float *x_scales = job->x_scales + row * job->x_group_stride;
  const int32_t *x_sums = job->x_sums + 2 * row * job->x_group_stride;
  const __m512i sign = _mm512_set1_epi8((char)0x80), nibble = _mm512_set1_epi8(15);
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, group += bw_group_bytes(format), x += BW_GROUP) {
    BW_UNROLL
    for (int t = 0; t < T; t++) prefetch_group(group + t * job->tile_bytes, bw_group_bytes(format));
    __m512i dots[4][8];
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const int32_t *sums = x_sums + 2 * (r * job->x_group_stride + g);
      const __m512i start = _mm512_set1_epi32((format == BW_Q8_0 ? -128 : -8) * (sums[0] + sums[1]));
      BW_UNROLL
      for (int t = 0; t < T; t++) dots[t][r] = start;
    }
    if (format == BW_Q8_0) {
      BW_UNROLL
      for (int quad = 0; quad < 8; quad++) {
        __m512i w[4];
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          w[t] = _mm512_xor_si512(_mm512_loadu_si512(group + t * job->tile_bytes + 64 * quad), sign);
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i value = broadcast_quad(x + r * job->xq_stride + 4 * quad);
          BW_UNROLL
          for (int t = 0; t < T; t++) dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], w[t], value);
        }
      }
    } else {
      BW_UNROLL
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
          const __m512i low = broadcast_quad(x + r * job->xq_stride + 4 * quad);
          const __m512i high = broadcast_quad(x + r * job->xq_stride + 4 * quad + 16);
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
        const __m512 x_scale = _mm512_set1_ps(x_scales[r * job->x_group_stride + g]);
        totals[t][r] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][r]), _mm512_mul_ps(scale, x_scale), totals[t][r]);
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) store_outputs(job, tile + t, row + r, totals[t][r]);
  }
}

// MARK: - Blocks of 256 (tiles.h)

BW_AVX512_INLINE __m512 halves_16(const uint8_t *halves) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)halves));
}

BW_AVX512_INLINE __m512 unsigned_scales(const uint8_t *d, const uint8_t *factors) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)factors);
  return _mm512_mul_ps(halves_16(d), _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
}

BW_AVX512_INLINE __m512 signed_scales(const uint8_t *d, const uint8_t *factors) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)factors);
  return _mm512_mul_ps(halves_16(d), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
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
BW_AVX512_INLINE void super_f32(int32_t format, int R, const bw_matmul *job, ptrdiff_t t, ptrdiff_t row) {
  const uint8_t *tile = (const uint8_t *)job->packed + t * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  __m512 totals[8];
  BW_UNROLL
  for (int r = 0; r < R; r++) totals[r] = _mm512_setzero_ps();
  for (ptrdiff_t g = 0; g < job->groups; g++, x += BW_GROUP) {
    const ptrdiff_t part = g % BW_SUPER_GROUPS;
    const uint8_t *head = super_head(format, tile, g), *codes = super_codes(format, tile, g);
    __m512 scale[2], min = _mm512_setzero_ps();
    if (format == BW_Q4_K) {
      scale[0] = scale[1] = unsigned_scales(head, head + BW_Q4K_SCALES + 16 * part);
      min = unsigned_scales(head + BW_Q4K_MIN_D, head + BW_Q4K_MINS + 16 * part);
    } else {
      scale[0] = signed_scales(head, head + BW_Q6K_SCALES + 32 * part);
      scale[1] = signed_scales(head, head + BW_Q6K_SCALES + 32 * part + 16);
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
  for (int r = 0; r < R; r++) store_outputs(job, t, row + r, totals[r]);
}

/// int8 activations: R rows from `row`, T tiles from `first`.
BW_AVX512_INLINE void super_int8(
    int32_t format, int R, int T, const bw_matmul *job, ptrdiff_t first, ptrdiff_t row) {
  const uint8_t *tile = (const uint8_t *)job->packed + first * job->tile_bytes;
  const int8_t *x = job->xq + row * job->xq_stride;
  const float *x_scales = job->x_scales + row * job->x_group_stride;
  const int32_t *x_sums = job->x_sums + 2 * row * job->x_group_stride;
  const int part_count = format == BW_Q4_K ? 1 : 2;
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, x += BW_GROUP) {
    const ptrdiff_t part = g % BW_SUPER_GROUPS;
    BW_UNROLL
    for (int t = 0; t < T; t++) {
      const uint8_t *codes = super_codes(format, tile + t * job->tile_bytes, g);
      prefetch_group(codes, format == BW_Q4_K ? BW_Q4K_GROUP : BW_Q6K_GROUP);
    }
    // A scale holds for a whole group of Q4_K, for half a group of Q6_K.
    BW_UNROLL
    for (int s = 0; s < part_count; s++) {
      __m512i dots[4][8];
      BW_UNROLL
      for (int r = 0; r < R; r++) {
        const __m512i start =
            format == BW_Q4_K ? _mm512_setzero_si512()
                              : _mm512_set1_epi32(-32 * x_sums[2 * (r * job->x_group_stride + g) + s]);
        BW_UNROLL
        for (int t = 0; t < T; t++) dots[t][r] = start;
      }
      BW_UNROLL
      for (int quad = 4 * s; quad < (part_count == 1 ? 8 : 4 * s + 4); quad++) {
        __m512i w[4];
        BW_UNROLL
        for (int t = 0; t < T; t++) {
          w[t] = super_quad(format, super_codes(format, tile + t * job->tile_bytes, g), quad);
        }
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const __m512i value = broadcast_quad(x + r * job->xq_stride + 4 * quad);
          BW_UNROLL
          for (int t = 0; t < T; t++) dots[t][r] = _mm512_dpbusd_epi32(dots[t][r], w[t], value);
        }
      }
      BW_UNROLL
      for (int t = 0; t < T; t++) {
        const uint8_t *head = super_head(format, tile + t * job->tile_bytes, g);
        const __m512 scale = format == BW_Q4_K ? unsigned_scales(head, head + BW_Q4K_SCALES + 16 * part)
                                               : signed_scales(head, head + BW_Q6K_SCALES + 32 * part + 16 * s);
        const __m512 min = unsigned_scales(head + BW_Q4K_MIN_D, head + BW_Q4K_MINS + 16 * part);
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const float x_scale = x_scales[r * job->x_group_stride + g];
          totals[t][r] = _mm512_fmadd_ps(
              _mm512_cvtepi32_ps(dots[t][r]), _mm512_mul_ps(scale, _mm512_set1_ps(x_scale)), totals[t][r]);
          if (format == BW_Q4_K) {
            const int32_t *sums = x_sums + 2 * (r * job->x_group_stride + g);
            const float shift = x_scale * (float)(sums[0] + sums[1]);
            totals[t][r] = _mm512_fnmadd_ps(min, _mm512_set1_ps(shift), totals[t][r]);
          }
        }
      }
    }
  }
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) store_outputs(job, first + t, row + r, totals[t][r]);
  }
}

// MARK: - Tiles

/// One block of any kind.
BW_AVX512_INLINE void block(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  if (format == BW_Q4_K || format == BW_Q6_K) {
    if (is_int8) {
      super_int8(format, R, T, job, tile, row);
    } else {
      BW_UNROLL
      for (int t = 0; t < T; t++) super_f32(format, R, job, tile + t, row);
    }
  } else if (is_int8) {
    block_int8(format, R, T, job, tile, row);
  } else {
    block_f32(format, R, T, job, tile, row);
  }
}

/// R rows of the tiles [first, end), T at a time.
BW_AVX512_INLINE void rows_of_tiles(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end, ptrdiff_t row) {
  ptrdiff_t tile = first;
  for (; tile + T <= end; tile += T) block(format, is_int8, R, T, job, tile, row);
  for (; tile < end; tile++) block(format, is_int8, R, 1, job, tile, row);
}

/// All rows of up to TILES_TOGETHER tiles, which stay in the second-level cache meanwhile.
BW_AVX512_INLINE void all_rows(
    int32_t format, int is_int8, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  ptrdiff_t row = 0;
  for (; row + 8 <= job->row_count; row += 8) rows_of_tiles(format, is_int8, 8, 1, job, first, end, row);
  switch (job->row_count - row) {
    case 7: rows_of_tiles(format, is_int8, 7, 1, job, first, end, row); break;
    case 6: rows_of_tiles(format, is_int8, 6, 1, job, first, end, row); break;
    case 5: rows_of_tiles(format, is_int8, 5, 1, job, first, end, row); break;
    case 4: rows_of_tiles(format, is_int8, 4, 2, job, first, end, row); break;
    case 3: rows_of_tiles(format, is_int8, 3, 2, job, first, end, row); break;
    case 2: rows_of_tiles(format, is_int8, 2, 4, job, first, end, row); break;
    case 1: rows_of_tiles(format, is_int8, 1, 4, job, first, end, row); break;
    default: break;
  }
}

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

void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile) {
  bw_tiles_function *tiles = product_of(job->format, job->use_int8);
  if (!tiles) tiles = bw_scalar_kernels()->matmul;
  for (ptrdiff_t first = first_tile; first < end_tile; first += TILES_TOGETHER) {
    const ptrdiff_t end = end_tile - first < TILES_TOGETHER ? end_tile : first + TILES_TOGETHER;
    tiles(job, first, end);
  }
}

#else
typedef int bw_avx512_matmul_is_x86_only;
#endif
