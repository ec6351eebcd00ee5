// Products with AVX-512 and VNNI: one vector holds the 16 output rows of a tile, so the inner dimension of every output
// is summed in index order, as in every other variant.
//
// A block is R activation rows times T tiles. Weights are unpacked once per block; R · T is chosen so that enough
// independent sums hide the latency of one addition and the registers suffice. The block shape never changes a result.
#if defined(__x86_64__)

#include "avx512.h"

#pragma STDC FP_CONTRACT OFF

enum { TILES_TOGETHER = 4, PREFETCH_BYTES = 2048 };

BW_AVX512_INLINE ptrdiff_t group_bytes(int32_t format) {
  switch (format) {
    case BW_F32: return 2048;
    case BW_F16:
    case BW_BF16: return 1024;
    case BW_Q8_0: return 544;
    default: return 288;
  }
}

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
  for (ptrdiff_t g = 0; g < job->groups; g++, group += group_bytes(format), x += BW_GROUP) {
    BW_UNROLL
    for (int t = 0; t < T; t++) prefetch_group(group + t * job->tile_bytes, group_bytes(format));
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
  const int32_t *x_sums = job->x_sums + row * job->x_group_stride;
  const __m512i sign = _mm512_set1_epi8((char)0x80), nibble = _mm512_set1_epi8(15);
  __m512 totals[4][8];
  BW_UNROLL
  for (int t = 0; t < T; t++) {
    BW_UNROLL
    for (int r = 0; r < R; r++) totals[t][r] = _mm512_setzero_ps();
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, group += group_bytes(format), x += BW_GROUP) {
    BW_UNROLL
    for (int t = 0; t < T; t++) prefetch_group(group + t * job->tile_bytes, group_bytes(format));
    __m512i dots[4][8];
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      const __m512i start = _mm512_set1_epi32((format == BW_Q8_0 ? -128 : -8) * x_sums[r * job->x_group_stride + g]);
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

/// One block of either kind.
BW_AVX512_INLINE void block(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row) {
  if (is_int8) {
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

void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile) {
  for (ptrdiff_t first = first_tile; first < end_tile; first += TILES_TOGETHER) {
    const ptrdiff_t end = end_tile - first < TILES_TOGETHER ? end_tile : first + TILES_TOGETHER;
    switch (job->format) {
      case BW_F32: tiles_of_f32(job, first, end); break;
      case BW_F16: tiles_of_f16(job, first, end); break;
      case BW_BF16: tiles_of_bf16(job, first, end); break;
      case BW_Q8_0: (job->use_int8 ? tiles_of_q8_int8 : tiles_of_q8)(job, first, end); break;
      default: (job->use_int8 ? tiles_of_q4_int8 : tiles_of_q4)(job, first, end); break;
    }
  }
}

#else
typedef int bw_avx512_matmul_is_x86_only;
#endif
