// Products with NEON and the dot product instructions of ARMv8.2: lanes are output rows, so the inner dimension of
// every output is summed in index order, as in every other variant.
//
// A block is R activation rows times V vectors of four output rows: half a tile, a tile, or several. Weights are
// unpacked once per block, and one load of activations serves four quads of weights, because products take one operand
// by lane. R · V is chosen so that enough independent sums hide the latency of one addition and the 32 registers
// suffice. The block shape never changes a result.
#if defined(__aarch64__)

#include "activations.h"
#include "neon.h"
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

enum { TILES_TOGETHER = 4 };

// MARK: - Weights, one function per question and a case per format

BW_NEON_INLINE int is_float(int32_t format) { return format == BW_F32 || format == BW_F16 || format == BW_BF16; }

/// Weights or codes of group g.
BW_NEON_INLINE const uint8_t *group_codes(int32_t format, const uint8_t *tile, ptrdiff_t g) {
  switch (format) {
    case BW_Q4_K: return bw_q4k_codes(tile, g);
    case BW_Q5_K: return bw_q5k_codes(tile, g);
    case BW_Q6_K: return bw_q6k_codes(tile, g);
    default: return tile + g * bw_group_bytes(format);
  }
}

/// By how much codes are larger than the integers they stand for.
BW_NEON_INLINE int code_offset(int32_t format) { return format == BW_Q4_0 ? 8 : format == BW_Q6_K ? 32 : 0; }

/// Scales that hold for one group (tiles.h).
BW_NEON_INLINE int scale_count(int32_t format) { return bw_has_parts(format) ? bw_part_count(format) : 1; }

/// Codes of quad `quad` (0…7) of a group for rows 4 · part … 4 · part + 3 of a tile, four to a lane; signed bytes. Of I4
/// what the table says.
BW_NEON_INLINE int8x16_t quad_codes(int32_t format, const uint8_t *codes, int quad, int part) {
  const int is_byte = format == BW_Q8_0;
  const uint8x16_t bytes = vld1q_u8(codes + 64 * (is_byte ? quad : quad % 4) + 16 * part);
  if (is_byte) return vreinterpretq_s8_u8(bytes);
  const uint8x16_t low = quad < 4 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
  if (format == BW_I4) return vqtbl1q_s8(vld1q_s8((const int8_t *)codes + BW_I4_TABLE), low);
  if (format == BW_Q5_K || format == BW_I5M) {
    // Bit `quad` of the plane becomes bit 4.
    const uint8x16_t plane = vld1q_u8(codes + BW_Q5K_PLANE + 16 * part);
    const uint8x16_t moved = vshlq_u8(plane, vdupq_n_s8((int8_t)(4 - quad)));
    return vreinterpretq_s8_u8(vorrq_u8(low, vandq_u8(moved, vdupq_n_u8(16))));
  }
  if (format != BW_Q6_K) return vreinterpretq_s8_u8(low);
  const uint8x16_t plane = vld1q_u8(codes + BW_Q6K_PLANES + 64 * (quad % 2) + 16 * part);
  const uint8x16_t moved = vshlq_u8(plane, vdupq_n_s8((int8_t)(4 - 2 * (quad / 2))));
  return vreinterpretq_s8_u8(vorrq_u8(low, vandq_u8(moved, vdupq_n_u8(0x30))));
}

BW_NEON_INLINE float32x4x2_t halves_8(const uint8_t *halves) {
  return (float32x4x2_t){{bw_halves_4(halves), bw_halves_4(halves + 8)}};
}

/// d · factor of eight rows.
BW_NEON_INLINE float32x4x2_t unsigned_scales(const uint8_t *d, const uint8_t *factors) {
  const float32x4x2_t halves = halves_8(d);
  const uint16x8_t wide = vmovl_u8(vld1_u8(factors));
  const float32x4_t low = vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
  const float32x4_t high = vcvtq_f32_u32(vmovl_u16(vget_high_u16(wide)));
  return (float32x4x2_t){{vmulq_f32(halves.val[0], low), vmulq_f32(halves.val[1], high)}};
}

BW_NEON_INLINE float32x4x2_t signed_scales(const uint8_t *d, const uint8_t *factors) {
  const float32x4x2_t halves = halves_8(d);
  const int16x8_t wide = vmovl_s8(vld1_s8((const int8_t *)factors));
  const float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
  const float32x4_t high = vcvtq_f32_s32(vmovl_s16(vget_high_s16(wide)));
  return (float32x4x2_t){{vmulq_f32(halves.val[0], low), vmulq_f32(halves.val[1], high)}};
}

BW_NEON_INLINE float32x4x2_t floats_8(const uint8_t *group, ptrdiff_t offset, int half, int part) {
  const float *from = (const float *)(const void *)(group + offset) + BW_TILE_ROWS * half + 4 * part;
  return (float32x4x2_t){{vld1q_f32(from), vld1q_f32(from + 4)}};
}

/// Scales of rows 4 · part … 4 · part + 7 in group g, or in its half `half` where halves have their own.
BW_NEON_INLINE float32x4x2_t row_scales(int32_t format, const uint8_t *tile, ptrdiff_t g, int half, int part) {
  const ptrdiff_t within = g % BW_SUPER_GROUPS;
  switch (format) {
    case BW_Q8_0: return halves_8(group_codes(format, tile, g) + 512 + 8 * part);
    case BW_Q4_0: return halves_8(group_codes(format, tile, g) + 256 + 8 * part);
    case BW_Q4_K:
    case BW_Q5_K: {
      const uint8_t *head = format == BW_Q4_K ? bw_q4k_super(tile, g) : bw_q5k_super(tile, g);
      return unsigned_scales(head + 8 * part, head + BW_Q4K_SCALES + BW_TILE_ROWS * within + 4 * part);
    }
    case BW_Q6_K: {
      const uint8_t *head = bw_q6k_super(tile, g);
      return signed_scales(head + 8 * part, head + BW_Q6K_SCALES + BW_TILE_ROWS * (2 * within + half) + 4 * part);
    }
    default: return floats_8(group_codes(format, tile, g), bw_scales_offset(format), half, part);
  }
}

/// What rows 4 · part … 4 · part + 7 of a format with a minimum subtract from every weight of group g, or of its half.
BW_NEON_INLINE float32x4x2_t row_minima(int32_t format, const uint8_t *tile, ptrdiff_t g, int half, int part) {
  if (format == BW_I4M || format == BW_I5M) {
    return floats_8(group_codes(format, tile, g), bw_minima_offset(format), half, part);
  }
  const uint8_t *head = format == BW_Q4_K ? bw_q4k_super(tile, g) : bw_q5k_super(tile, g);
  const uint8_t *factors = head + BW_Q4K_MINS + BW_TILE_ROWS * (g % BW_SUPER_GROUPS) + 4 * part;
  return unsigned_scales(head + BW_Q4K_MIN_D + 8 * part, factors);
}

/// Weights of inner element 4 · quad + k of four rows, without their scale.
BW_NEON_INLINE float32x4_t weights(int32_t format, const uint8_t *codes, int quad, int k, int part) {
  const ptrdiff_t index = (4 * quad + k) * BW_TILE_ROWS + 4 * part;
  switch (format) {
    case BW_F32: return vld1q_f32((const float *)(const void *)codes + index);
    case BW_F16: return bw_halves_4(codes + 2 * index);
    case BW_BF16: return bw_bfloats_4(codes + 2 * index);
    default: {
      const int8x16_t bytes = vsubq_s8(quad_codes(format, codes, quad, part), vdupq_n_s8((int8_t)code_offset(format)));
      const int32x4_t raised = vshlq_s32(vreinterpretq_s32_s8(bytes), vdupq_n_s32(24 - 8 * k));
      return vcvtq_f32_s32(vshrq_n_s32(raised, 24));
    }
  }
}

BW_NEON_INLINE void store_outputs(const bw_matmul *job, ptrdiff_t tile, int part, ptrdiff_t row, float32x4_t values) {
  const ptrdiff_t first = tile * BW_TILE_ROWS + 4 * part;
  float *y = job->y + row * job->y_stride + first;
  if (first + 4 <= job->rows) {
    if (job->bias) values = vaddq_f32(values, vld1q_f32(job->bias + first));
    vst1q_f32(y, values);
  } else {
    float lanes[4];
    vst1q_f32(lanes, values);
    for (ptrdiff_t i = 0; first + i < job->rows; i++) y[i] = job->bias ? lanes[i] + job->bias[first + i] : lanes[i];
  }
}

// MARK: - Blocks

/// sums + w · x[lane].
BW_NEON_INLINE float32x4_t add_product(float32x4_t sums, float32x4_t w, float32x4_t x, int lane) {
  switch (lane) {
    case 0: return vfmaq_laneq_f32(sums, w, x, 0);
    case 1: return vfmaq_laneq_f32(sums, w, x, 1);
    case 2: return vfmaq_laneq_f32(sums, w, x, 2);
    default: return vfmaq_laneq_f32(sums, w, x, 3);
  }
}

/// f32 activations: R rows from `row`, V vectors from vector `part` of `tile`.
BW_NEON_INLINE void block_f32(
    int32_t format, int R, int V, const bw_matmul *job, ptrdiff_t tile, int part, ptrdiff_t row) {
  const uint8_t *packed = (const uint8_t *)job->packed + tile * job->tile_bytes;
  const float *x = job->x + row * job->x_stride;
  float32x4_t totals[4][16];
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    BW_UNROLL
    for (int v = 0; v < V; v++) totals[r][v] = vdupq_n_f32(0);
  }
  for (ptrdiff_t g = 0; g < job->groups; g++, x += BW_GROUP) {
    float32x4_t sums[4][16];
    BW_UNROLL
    for (int r = 0; r < R; r++) {
      BW_UNROLL
      for (int v = 0; v < V; v++) sums[r][v] = vdupq_n_f32(0);
    }
    BW_UNROLL
    for (int half = 0; half < 2; half++) {
      float32x4x2_t scales[8], minima[8];
      BW_UNROLL
      for (int v = 0; v < V && bw_has_parts(format); v += 2) {
        scales[v / 2] = row_scales(format, packed + v / 4 * job->tile_bytes, g, half, part + v % 4);
        if (bw_has_minimum(format)) {
          minima[v / 2] = row_minima(format, packed + v / 4 * job->tile_bytes, g, half, part + v % 4);
        }
      }
      BW_ROLLED
      for (int quad = 4 * half; quad < 4 * half + 4; quad++) {
        float32x4_t values[4];
        BW_UNROLL
        for (int r = 0; r < R; r++) values[r] = vld1q_f32(x + r * job->x_stride + 4 * quad);
        BW_UNROLL
        for (int k = 0; k < 4; k++) {
          BW_UNROLL
          for (int v = 0; v < V; v++) {
            const uint8_t *codes = group_codes(format, packed + v / 4 * job->tile_bytes, g);
            float32x4_t w = weights(format, codes, quad, k, part + v % 4);
            if (bw_has_parts(format)) w = vmulq_f32(w, scales[v / 2].val[v % 2]);
            if (bw_has_minimum(format)) w = vsubq_f32(w, minima[v / 2].val[v % 2]);
            BW_UNROLL
            for (int r = 0; r < R; r++) sums[r][v] = add_product(sums[r][v], w, values[r], k);
          }
        }
      }
    }
    BW_UNROLL
    for (int v = 0; v < V; v++) {
      if (format == BW_Q8_0 || format == BW_Q4_0) {
        const int pair = v % 4 / 2 * 2;
        const float32x4_t scale = row_scales(format, packed + v / 4 * job->tile_bytes, g, 0, part + pair).val[v % 2];
        BW_UNROLL
        for (int r = 0; r < R; r++) totals[r][v] = vfmaq_f32(totals[r][v], scale, sums[r][v]);
      } else {
        BW_UNROLL
        for (int r = 0; r < R; r++) totals[r][v] = vaddq_f32(totals[r][v], sums[r][v]);
      }
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    BW_UNROLL
    for (int v = 0; v < V; v++) store_outputs(job, tile + v / 4, part + v % 4, row + r, totals[r][v]);
  }
}

/// dots + the products of four codes per lane with the four activations of one lane of x.
BW_NEON_DOT_INLINE int32x4_t add_dots(int32x4_t dots, int8x16_t codes, int8x16_t x, int lane) {
  switch (lane) {
    case 0: return vdotq_laneq_s32(dots, codes, x, 0);
    case 1: return vdotq_laneq_s32(dots, codes, x, 1);
    case 2: return vdotq_laneq_s32(dots, codes, x, 2);
    default: return vdotq_laneq_s32(dots, codes, x, 3);
  }
}

/// Nothing at run time. The compiler has the totals ready before it goes on: it would begin the next part of a group
/// too early otherwise, and need more registers than there are.
BW_NEON_INLINE void settle(int R, int V, float32x4_t totals[4][8]) {
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    BW_UNROLL
    for (int v = 0; v < V; v++) __asm__ volatile("" : "+w"(totals[r][v]));
  }
  __asm__ volatile("" ::: "memory");
}

/// int8 activations: R rows from `row`, V vectors from vector `part` of `tile`.
BW_NEON_DOT_INLINE void block_int8(
    int32_t format, int R, int V, const bw_matmul *job, ptrdiff_t tile, int part, ptrdiff_t row) {
  const ptrdiff_t groups = job->groups, tile_bytes = job->tile_bytes;
  const uint8_t *packed = (const uint8_t *)job->packed + tile * tile_bytes;
  bw_activations x = bw_activations_of(job, row);
  float32x4_t totals[4][8];
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    BW_UNROLL
    for (int v = 0; v < V; v++) totals[r][v] = vdupq_n_f32(0);
  }
  for (ptrdiff_t g = 0; g < groups; g++, x.group++) {
    BW_UNROLL
    for (int s = 0; s < scale_count(format); s++) {
      const int quads_at_once = 2 / scale_count(format);
      int32x4_t dots[4][8];
      int8x16_t values[4][2];
      BW_UNROLL
      for (int r = 0; r < R; r++) {
        // Codes are the weights and an offset, so every sum starts without what the offset adds to it.
        const int32_t start = code_offset(format) / 8 * bw_part_offset(&x, r, scale_count(format), s);
        BW_UNROLL
        for (int v = 0; v < V; v++) dots[r][v] = vdupq_n_s32(start);
        BW_UNROLL
        for (int n = 0; n < quads_at_once; n++) values[r][n] = vld1q_s8(bw_quad_codes(&x, r, 4 * (s + n)));
      }
      BW_UNROLL
      for (int lane = 0; lane < 4; lane++) {
        BW_UNROLL
        for (int v = 0; v < V; v++) {
          const uint8_t *codes = group_codes(format, packed + v / 4 * tile_bytes, g);
          BW_UNROLL
          for (int n = 0; n < quads_at_once; n++) {
            const int8x16_t w = quad_codes(format, codes, 4 * (s + n) + lane, part + v % 4);
            BW_UNROLL
            for (int r = 0; r < R; r++) dots[r][v] = add_dots(dots[r][v], w, values[r][n], lane);
          }
        }
      }
      BW_UNROLL
      for (int v = 0; v < V; v++) {
        const int pair = v % 4 / 2 * 2;
        const float32x4_t scale = row_scales(format, packed + v / 4 * tile_bytes, g, s, part + pair).val[v % 2];
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const float32x4_t factor = vmulq_n_f32(scale, bw_group_scale(&x, r));
          totals[r][v] = vfmaq_f32(totals[r][v], vcvtq_f32_s32(dots[r][v]), factor);
        }
      }
      BW_UNROLL
      for (int v = 0; v < V && bw_has_minimum(format); v++) {
        const int pair = v % 4 / 2 * 2;
        const float32x4_t min = row_minima(format, packed + v / 4 * tile_bytes, g, s, part + pair).val[v % 2];
        BW_UNROLL
        for (int r = 0; r < R; r++) {
          const float shift = bw_part_shift(&x, r, scale_count(format), s);
          totals[r][v] = vfmsq_f32(totals[r][v], min, vdupq_n_f32(shift));
        }
      }
      if (bw_has_parts(format)) settle(R, V, totals);
    }
  }
  BW_UNROLL
  for (int r = 0; r < R; r++) {
    BW_UNROLL
    for (int v = 0; v < V; v++) store_outputs(job, tile + v / 4, part + v % 4, row + r, totals[r][v]);
  }
}

// MARK: - Tiles

BW_NEON_DOT_INLINE void block(
    int32_t format, int is_int8, int R, int V, const bw_matmul *job, ptrdiff_t tile, int part, ptrdiff_t row) {
  if (is_int8) {
    block_int8(format, R, V, job, tile, part, row);
  } else {
    block_f32(format, R, V, job, tile, part, row);
  }
}

/// R rows of the tiles [first, end), V vectors at a time where there are so many.
BW_NEON_DOT_INLINE void rows_of_tiles(
    int32_t format, int is_int8, int R, int V, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end, ptrdiff_t row) {
  ptrdiff_t tile = first;
  if (V > 4) {
    for (; tile + V / 4 <= end; tile += V / 4) block(format, is_int8, R, V, job, tile, 0, row);
  }
  for (; tile < end; tile++) {
    for (int part = 0; part < 4; part += V) block(format, is_int8, R, V < 4 ? V : 4, job, tile, part, row);
  }
}

/// All rows of up to TILES_TOGETHER tiles, which stay in the second-level cache meanwhile.
BW_NEON_DOT_INLINE void all_rows(
    int32_t format, int is_int8, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  // Weights that are numbers need registers for sums only: totals may lie in memory while 32 products are added. Codes
  // need registers while they are unpacked, those of the blocks of 256 the most.
  const int V = is_float(format) ? 4 : 2;
  const int most = bw_has_parts(format) ? 4 : 4 * V;
  ptrdiff_t row = 0;
  for (; row + 4 <= job->row_count; row += 4) rows_of_tiles(format, is_int8, 4, V, job, first, end, row);
  switch (job->row_count - row) {
    case 3: rows_of_tiles(format, is_int8, 3, V, job, first, end, row); break;
    case 2: rows_of_tiles(format, is_int8, 2, 2 * V, job, first, end, row); break;
    case 1: rows_of_tiles(format, is_int8, 1, most, job, first, end, row); break;
    default: break;
  }
}

BW_NEON_DOT void tiles_of_f32(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_F32, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_f16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_F16, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_bf16(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_BF16, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q8_0, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_0, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q4k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_K, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q6k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q6_K, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q5k(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_i4(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_i4m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_i5m(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 0, job, first, end);
}
BW_NEON_DOT void tiles_of_q8_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q8_0, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_q4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_0, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_q4k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q4_K, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_q6k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q6_K, 1, job, first, end);
}

BW_NEON_DOT void tiles_of_q5k_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_Q5_K, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_i4_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_i4m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I4M, 1, job, first, end);
}
BW_NEON_DOT void tiles_of_i5m_int8(const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  all_rows(BW_I5M, 1, job, first, end);
}

static bw_tiles_function *product_of(int32_t format, int is_int8) {
  switch (format) {
    case BW_F32: return tiles_of_f32;
    case BW_F16: return tiles_of_f16;
    case BW_BF16: return tiles_of_bf16;
    case BW_Q8_0: return is_int8 ? tiles_of_q8_int8 : tiles_of_q8;
    case BW_Q4_0: return is_int8 ? tiles_of_q4_int8 : tiles_of_q4;
    case BW_Q4_K: return is_int8 ? tiles_of_q4k_int8 : tiles_of_q4k;
    case BW_Q5_K: return is_int8 ? tiles_of_q5k_int8 : tiles_of_q5k;
    case BW_Q6_K: return is_int8 ? tiles_of_q6k_int8 : tiles_of_q6k;
    case BW_I4: return is_int8 ? tiles_of_i4_int8 : tiles_of_i4;
    case BW_I4M: return is_int8 ? tiles_of_i4m_int8 : tiles_of_i4m;
    case BW_I5M: return is_int8 ? tiles_of_i5m_int8 : tiles_of_i5m;
    default: return NULL;
  }
}

int32_t bw_neon_has_product(int32_t format) { return product_of(format, 0) != NULL; }

void bw_neon_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile) {
  bw_tiles_function *tiles = product_of(job->format, job->use_int8);
  if (!tiles) tiles = bw_scalar_kernels()->matmul;
  for (ptrdiff_t first = first_tile; first < end_tile; first += TILES_TOGETHER) {
    const ptrdiff_t end = end_tile - first < TILES_TOGETHER ? end_tile : first + TILES_TOGETHER;
    tiles(job, first, end);
  }
}

#else
typedef int bw_neon_matmul_is_arm64_only;
#endif
