// Tiles of the formats whose blocks hold 256 elements: 8 groups of 32 share a head with the scales of 16 rows.
//   Q4_K  [16 d][16 minimum d] halves, [8 groups][16 rows] scales, [8][16] minima, then per group the nibbles of Q4_0
//         value = d · scale · q − (minimum d · minimum)
//   Q6_K  [16 d] halves, [16 halves of a group][16 rows] signed scales, 32 bytes unused, then per group the low nibbles as
//         in Q4_0 and two planes of high bits: plane p holds the quads p, p + 2, p + 4, p + 6 in bit pairs
//         value = d · scale · (q − 32)
//   Q5_K  as Q4_K, and behind the nibbles of a group a plane of fifth bits: bit j of a byte belongs to quad j
// Heads are 320 bytes and groups 256, 320 or 384, so that vectors never cross a cache line.
//
// Groups of the formats that are in memory only, for block types of files that no kernel computes with:
//   I4    the nibbles of Q4_0, [2 halves][16 rows] f32 scales, a table of 16 signed bytes, 16 bytes unused
//         value = scale · table[q]
//   I4M   the nibbles, the scales, [2 halves][16 rows] f32 minima
//         value = scale · q − minimum
//   I5M   as I4M, with a plane of fifth bits behind the nibbles as in Q5_K
//
// A part of a group has a scale of its own: the whole group of Q4_K and Q5_K, either half of the others. All variants
// compute an output of these formats, group by group and part by part (q: for I4 what the table says), as
//   f32   sum = fma(w, x, sum) over the 32 elements of a group, from zero, w the value above (its product is exact, so that
//         it rounds once); total = total + sum
//   int8  total = fma(Σ q · xq, scale · x_scale, total); where there is a minimum then
//         total = fma(−minimum, x_scale · Σ xq, total)
#ifndef BLOCKWISE_TILES_H
#define BLOCKWISE_TILES_H

#include "numbers.h"

enum {
  BW_SUPER_GROUPS = 8,
  BW_SUPER_HEAD = 320,
  BW_Q4K_MIN_D = 32,
  BW_Q4K_SCALES = 64,
  BW_Q4K_MINS = 192,
  BW_Q4K_GROUP = 256,
  BW_Q4K_BYTES = BW_SUPER_HEAD + BW_SUPER_GROUPS * BW_Q4K_GROUP,
  BW_Q6K_SCALES = 32,
  BW_Q6K_PLANES = 256,
  BW_Q6K_GROUP = 384,
  BW_Q6K_BYTES = BW_SUPER_HEAD + BW_SUPER_GROUPS * BW_Q6K_GROUP,
  BW_Q5K_PLANE = 256,
  BW_Q5K_GROUP = 320,
  BW_Q5K_BYTES = BW_SUPER_HEAD + BW_SUPER_GROUPS * BW_Q5K_GROUP,
  BW_I4_SCALES = 256,
  BW_I4_TABLE = 384,
  BW_I4_BYTES = 416,
  BW_I4M_BYTES = 512,
  BW_I5M_BYTES = 576,
};

/// Bytes of a group of 32 inner elements of the 16 rows of a tile, heads shared out evenly; 0 for other formats.
static inline ptrdiff_t bw_group_bytes(int32_t format) {
  switch (format) {
    case BW_F32: return BW_GROUP * BW_TILE_ROWS * 4;
    case BW_F16:
    case BW_BF16: return BW_GROUP * BW_TILE_ROWS * 2;
    case BW_Q8_0: return BW_GROUP * BW_TILE_ROWS + 2 * BW_TILE_ROWS;
    case BW_Q4_0: return BW_GROUP * BW_TILE_ROWS / 2 + 2 * BW_TILE_ROWS;
    case BW_Q4_K: return BW_Q4K_BYTES / BW_SUPER_GROUPS;
    case BW_Q5_K: return BW_Q5K_BYTES / BW_SUPER_GROUPS;
    case BW_Q6_K: return BW_Q6K_BYTES / BW_SUPER_GROUPS;
    case BW_I4: return BW_I4_BYTES;
    case BW_I4M: return BW_I4M_BYTES;
    case BW_I5M: return BW_I5M_BYTES;
    default: return 0;
  }
}

static inline const uint8_t *bw_q4k_super(const uint8_t *tile, ptrdiff_t g) {
  return tile + g / BW_SUPER_GROUPS * BW_Q4K_BYTES;
}

static inline const uint8_t *bw_q4k_codes(const uint8_t *tile, ptrdiff_t g) {
  return bw_q4k_super(tile, g) + BW_SUPER_HEAD + g % BW_SUPER_GROUPS * BW_Q4K_GROUP;
}

static inline float bw_q4k_scale(const uint8_t *tile, ptrdiff_t g, int lane) {
  const uint8_t *super = bw_q4k_super(tile, g);
  return bw_half_to_float(bw_load16(super + 2 * lane)) *
         (float)super[BW_Q4K_SCALES + BW_TILE_ROWS * (g % BW_SUPER_GROUPS) + lane];
}

static inline float bw_q4k_min(const uint8_t *tile, ptrdiff_t g, int lane) {
  const uint8_t *super = bw_q4k_super(tile, g);
  return bw_half_to_float(bw_load16(super + BW_Q4K_MIN_D + 2 * lane)) *
         (float)super[BW_Q4K_MINS + BW_TILE_ROWS * (g % BW_SUPER_GROUPS) + lane];
}

/// The code of inner element k (0…31) of group g.
static inline int bw_q4k_code(const uint8_t *tile, ptrdiff_t g, int k, int lane) {
  const uint8_t byte = bw_q4k_codes(tile, g)[64 * (k / 4 % 4) + 4 * lane + k % 4];
  return k < 16 ? byte & 15 : byte >> 4;
}

static inline const uint8_t *bw_q6k_super(const uint8_t *tile, ptrdiff_t g) {
  return tile + g / BW_SUPER_GROUPS * BW_Q6K_BYTES;
}

static inline const uint8_t *bw_q6k_codes(const uint8_t *tile, ptrdiff_t g) {
  return bw_q6k_super(tile, g) + BW_SUPER_HEAD + g % BW_SUPER_GROUPS * BW_Q6K_GROUP;
}

/// The scale of one half of a group.
static inline float bw_q6k_scale(const uint8_t *tile, ptrdiff_t g, int half, int lane) {
  const uint8_t *super = bw_q6k_super(tile, g);
  return bw_half_to_float(bw_load16(super + 2 * lane)) *
         (float)(int8_t)super[BW_Q6K_SCALES + BW_TILE_ROWS * (2 * (g % BW_SUPER_GROUPS) + half) + lane];
}

/// The code of inner element k (0…31) of group g, −32…31.
static inline int bw_q6k_code(const uint8_t *tile, ptrdiff_t g, int k, int lane) {
  const uint8_t *codes = bw_q6k_codes(tile, g);
  const int quad = k / 4;
  const uint8_t low = codes[64 * (quad % 4) + 4 * lane + k % 4];
  const uint8_t high = codes[BW_Q6K_PLANES + 64 * (quad % 2) + 4 * lane + k % 4];
  return ((k < 16 ? low & 15 : low >> 4) | ((high >> (2 * (quad / 2))) & 3) << 4) - 32;
}

static inline const uint8_t *bw_q5k_super(const uint8_t *tile, ptrdiff_t g) {
  return tile + g / BW_SUPER_GROUPS * BW_Q5K_BYTES;
}

static inline const uint8_t *bw_q5k_codes(const uint8_t *tile, ptrdiff_t g) {
  return bw_q5k_super(tile, g) + BW_SUPER_HEAD + g % BW_SUPER_GROUPS * BW_Q5K_GROUP;
}

static inline float bw_q5k_scale(const uint8_t *tile, ptrdiff_t g, int lane) {
  const uint8_t *super = bw_q5k_super(tile, g);
  return bw_half_to_float(bw_load16(super + 2 * lane)) *
         (float)super[BW_Q4K_SCALES + BW_TILE_ROWS * (g % BW_SUPER_GROUPS) + lane];
}

static inline float bw_q5k_min(const uint8_t *tile, ptrdiff_t g, int lane) {
  const uint8_t *super = bw_q5k_super(tile, g);
  return bw_half_to_float(bw_load16(super + BW_Q4K_MIN_D + 2 * lane)) *
         (float)super[BW_Q4K_MINS + BW_TILE_ROWS * (g % BW_SUPER_GROUPS) + lane];
}

/// The nibble of inner element k (0…31) of a group.
static inline int bw_nibble(const uint8_t *codes, int k, int lane) {
  const uint8_t byte = codes[64 * (k / 4 % 4) + 4 * lane + k % 4];
  return k < 16 ? byte & 15 : byte >> 4;
}

/// The same with the bit of the plane behind the nibbles.
static inline int bw_five_bits(const uint8_t *codes, int k, int lane) {
  return bw_nibble(codes, k, lane) | ((codes[BW_Q5K_PLANE + 4 * lane + k % 4] >> (k / 4)) & 1) << 4;
}

/// Where the f32 scales of a group of I4, I4M or I5M lie.
static inline ptrdiff_t bw_scales_offset(int32_t format) {
  return format == BW_I5M ? BW_Q5K_GROUP : BW_I4_SCALES;
}

/// Where the f32 minima of a group of I4M or I5M lie.
static inline ptrdiff_t bw_minima_offset(int32_t format) { return bw_scales_offset(format) + 2 * 4 * BW_TILE_ROWS; }

/// One of these numbers.
static inline float bw_group_float(const uint8_t *group, ptrdiff_t offset, int half, int lane) {
  float value;
  memcpy(&value, group + offset + 4 * (BW_TILE_ROWS * half + lane), 4);
  return value;
}

// MARK: Formats with parts

/// Whether the text at the top describes the products of a format.
static inline int bw_has_parts(int32_t format) {
  return format == BW_Q4_K || format == BW_Q5_K || format == BW_Q6_K || format == BW_I4 || format == BW_I4M ||
         format == BW_I5M;
}

/// Parts of a group.
static inline int bw_part_count(int32_t format) { return format == BW_Q4_K || format == BW_Q5_K ? 1 : 2; }

static inline int bw_has_minimum(int32_t format) {
  return format == BW_Q4_K || format == BW_Q5_K || format == BW_I4M || format == BW_I5M;
}

static inline float bw_part_scale(int32_t format, const uint8_t *tile, ptrdiff_t g, int part, int lane) {
  switch (format) {
    case BW_Q4_K: return bw_q4k_scale(tile, g, lane);
    case BW_Q5_K: return bw_q5k_scale(tile, g, lane);
    case BW_Q6_K: return bw_q6k_scale(tile, g, part, lane);
    default: return bw_group_float(tile + g * bw_group_bytes(format), bw_scales_offset(format), part, lane);
  }
}

/// For formats that have one.
static inline float bw_part_minimum(int32_t format, const uint8_t *tile, ptrdiff_t g, int part, int lane) {
  switch (format) {
    case BW_Q4_K: return bw_q4k_min(tile, g, lane);
    case BW_Q5_K: return bw_q5k_min(tile, g, lane);
    default: return bw_group_float(tile + g * bw_group_bytes(format), bw_minima_offset(format), part, lane);
  }
}

/// What the scale of inner element k (0…31) of group g is multiplied with.
static inline int bw_part_code(int32_t format, const uint8_t *tile, ptrdiff_t g, int k, int lane) {
  switch (format) {
    case BW_Q4_K: return bw_q4k_code(tile, g, k, lane);
    case BW_Q5_K: return bw_five_bits(bw_q5k_codes(tile, g), k, lane);
    case BW_Q6_K: return bw_q6k_code(tile, g, k, lane);
    default: break;
  }
  const uint8_t *group = tile + g * bw_group_bytes(format);
  if (format == BW_I4) return (int8_t)group[BW_I4_TABLE + bw_nibble(group, k, lane)];
  return format == BW_I4M ? bw_nibble(group, k, lane) : bw_five_bits(group, k, lane);
}

/// The value of inner element k (0…31) of group g.
static inline float bw_part_weight(int32_t format, const uint8_t *tile, ptrdiff_t g, int k, int lane) {
  const int part = bw_part_count(format) == 1 ? 0 : k / 16;
  const float scaled = bw_part_scale(format, tile, g, part, lane) * (float)bw_part_code(format, tile, g, k, lane);
  return bw_has_minimum(format) ? scaled - bw_part_minimum(format, tile, g, part, lane) : scaled;
}

#endif
