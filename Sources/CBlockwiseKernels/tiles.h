// Tiles of the formats whose blocks hold 256 elements: 8 groups of 32 share a head with the scales of 16 rows.
//   Q4_K  [16 d][16 minimum d] halves, [8 groups][16 rows] scales, [8][16] minima, then per group the nibbles of Q4_0
//         value = d · scale · q − (minimum d · minimum)
//   Q6_K  [16 d] halves, [16 halves of a group][16 rows] signed scales, 32 bytes unused, then per group the low nibbles as
//         in Q4_0 and two planes of high bits: plane p holds the quads p, p + 2, p + 4, p + 6 in bit pairs
//         value = d · scale · (q − 32)
// Heads are 320 bytes and groups 256 or 384, so that vectors never cross a cache line.
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
    case BW_Q6_K: return BW_Q6K_BYTES / BW_SUPER_GROUPS;
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

#endif
