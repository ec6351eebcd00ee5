// Packed weight layout. A tile holds 16 output rows; inside it groups of 32 inner elements follow each other:
//   f32, f16, bf16  [32 k][16 rows]
//   Q8_0            [8 quads][16 rows][4 k] bytes, then 16 half-precision scales
//   Q4_0            [4 quads][16 rows][4 k] bytes (low nibble: quad j, high nibble: quad j + 4), then 16 scales
//   the others      in tiles.h
// Rows and inner elements beyond the matrix are zero (nibble 8 with scale 0 for Q4_0).
#include "block_split.h"
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

enum { Q8_BLOCK = 34, Q4_BLOCK = 18, Q4K_BLOCK = 144, Q5K_BLOCK = 176, Q6K_BLOCK = 210 };

ptrdiff_t bw_tile_group_bytes(int32_t format) { return bw_group_bytes(format); }

static int pack_row_f32(ptrdiff_t columns, ptrdiff_t padded, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  uint32_t bad = 0;
  uint8_t *out = tile + 4 * lane;
  for (ptrdiff_t k = 0; k < padded; k++, out += 4 * BW_TILE_ROWS) {
    uint32_t u = 0;
    if (row && k < columns) memcpy(&u, row + 4 * k, 4);
    bad |= (u & 0x7f800000u) == 0x7f800000u;
    memcpy(out, &u, 4);
  }
  return (int)bad;
}

static int pack_row_16(
    uint16_t exponent_mask, ptrdiff_t columns, ptrdiff_t padded, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  uint32_t bad = 0;
  uint8_t *out = tile + 2 * lane;
  for (ptrdiff_t k = 0; k < padded; k++, out += 2 * BW_TILE_ROWS) {
    const uint16_t u = row && k < columns ? bw_load16(row + 2 * k) : 0;
    bad |= (u & exponent_mask) == exponent_mask;
    bw_store16(out, u);
  }
  return (int)bad;
}

static int pack_row_q8(ptrdiff_t groups, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  int bad = 0;
  for (ptrdiff_t g = 0; g < groups; g++) {
    uint8_t *group = tile + g * (BW_GROUP * BW_TILE_ROWS + 2 * BW_TILE_ROWS);
    uint8_t *scales = group + BW_GROUP * BW_TILE_ROWS;
    if (row) {
      const uint8_t *block = row + g * Q8_BLOCK;
      const uint16_t scale = bw_load16(block);
      bad |= (scale & 0x7c00u) == 0x7c00u;
      bw_store16(scales + 2 * lane, scale);
      for (int quad = 0; quad < 8; quad++) memcpy(group + 64 * quad + 4 * lane, block + 2 + 4 * quad, 4);
    } else {
      bw_store16(scales + 2 * lane, 0);
      for (int quad = 0; quad < 8; quad++) memset(group + 64 * quad + 4 * lane, 0, 4);
    }
  }
  return bad;
}

static int pack_row_q4(ptrdiff_t groups, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  int bad = 0;
  for (ptrdiff_t g = 0; g < groups; g++) {
    uint8_t *group = tile + g * (BW_GROUP * BW_TILE_ROWS / 2 + 2 * BW_TILE_ROWS);
    uint8_t *scales = group + BW_GROUP * BW_TILE_ROWS / 2;
    if (row) {
      const uint8_t *block = row + g * Q4_BLOCK;
      const uint16_t scale = bw_load16(block);
      bad |= (scale & 0x7c00u) == 0x7c00u;
      bw_store16(scales + 2 * lane, scale);
      // The file pairs element i with i + 16, which is quad j with quad j + 4: the bytes move unchanged.
      for (int quad = 0; quad < 4; quad++) memcpy(group + 64 * quad + 4 * lane, block + 2 + 4 * quad, 4);
    } else {
      bw_store16(scales + 2 * lane, 0);
      for (int quad = 0; quad < 4; quad++) memset(group + 64 * quad + 4 * lane, 0x88, 4);
    }
  }
  return bad;
}

static int is_bad_half(const uint8_t *bytes) { return (bw_load16(bytes) & 0x7c00u) == 0x7c00u; }

static int pack_row_q45k(int has_fifth_bit, ptrdiff_t groups, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  static const uint8_t zeros[Q5K_BLOCK] = {0};
  const ptrdiff_t block_bytes = has_fifth_bit ? Q5K_BLOCK : Q4K_BLOCK;
  const ptrdiff_t super_bytes = has_fifth_bit ? BW_Q5K_BYTES : BW_Q4K_BYTES;
  const ptrdiff_t group_bytes = has_fifth_bit ? BW_Q5K_GROUP : BW_Q4K_GROUP;
  int bad = 0;
  for (ptrdiff_t s = 0; s < groups / BW_SUPER_GROUPS; s++) {
    const uint8_t *block = row ? row + s * block_bytes : zeros;
    uint8_t *super = tile + s * super_bytes;
    bad |= is_bad_half(block) | is_bad_half(block + 2);
    memcpy(super + 2 * lane, block, 2);
    memcpy(super + BW_Q4K_MIN_D + 2 * lane, block + 2, 2);
    for (int j = 0; j < BW_SUPER_GROUPS; j++) {
      int scale, minimum;
      bw_scale_and_minimum(block + 4, j, &scale, &minimum);
      super[BW_Q4K_SCALES + BW_TILE_ROWS * j + lane] = (uint8_t)scale;
      super[BW_Q4K_MINS + BW_TILE_ROWS * j + lane] = (uint8_t)minimum;
      // The file pairs the same elements of two neighbouring parts; a tile pairs the two halves of one.
      const uint8_t *codes = block + (has_fifth_bit ? 48 : 16) + 32 * (j / 2);
      const int shift = 4 * (j % 2);
      uint8_t *out = super + BW_SUPER_HEAD + j * group_bytes + 4 * lane;
      for (int i = 0; i < 16; i++) {
        const int near = (codes[i] >> shift) & 15, far = (codes[i + 16] >> shift) & 15;
        out[64 * (i / 4) + i % 4] = (uint8_t)(near | far << 4);
      }
      if (!has_fifth_bit) continue;
      uint8_t plane[4] = {0};
      for (int i = 0; i < BW_GROUP; i++) plane[i % 4] |= (uint8_t)(((block[16 + i] >> j) & 1) << (i / 4));
      memcpy(out + BW_Q5K_PLANE, plane, 4);
    }
  }
  return bad;
}

static int pack_row_q6k(ptrdiff_t groups, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  int bad = 0;
  for (ptrdiff_t s = 0; s < groups / BW_SUPER_GROUPS; s++) {
    static const uint8_t zeros[Q6K_BLOCK] = {0};
    const uint8_t *block = row ? row + s * Q6K_BLOCK : zeros;
    uint8_t *super = tile + s * BW_Q6K_BYTES;
    bad |= is_bad_half(block + 208);
    memcpy(super + 2 * lane, block + 208, 2);
    for (int j = 0; j < 16; j++) super[BW_Q6K_SCALES + BW_TILE_ROWS * j + lane] = block[192 + j];
    for (int j = 0; j < BW_SUPER_GROUPS; j++) {
      // Halves of 128 elements hold four parts of 32: nibbles of parts 0 and 2, 1 and 3 together, bit pairs of all four.
      const uint8_t *low = block + 64 * (j / 4) + 32 * (j % 2), *high = block + 128 + 32 * (j / 4);
      const int low_shift = 4 * (j % 4 / 2), high_shift = 2 * (j % 4);
      uint8_t *out = super + BW_SUPER_HEAD + j * BW_Q6K_GROUP + 4 * lane;
      uint8_t planes[2][4] = {{0}};
      for (int i = 0; i < BW_GROUP; i++) {
        const int quad = i / 4;
        planes[quad % 2][i % 4] |= (uint8_t)(((high[i] >> high_shift) & 3) << (2 * (quad / 2)));
      }
      for (int i = 0; i < 16; i++) {
        const int near = (low[i] >> low_shift) & 15, far = (low[i + 16] >> low_shift) & 15;
        out[64 * (i / 4) + i % 4] = (uint8_t)(near | far << 4);
      }
      for (int p = 0; p < 2; p++) memcpy(out + BW_Q6K_PLANES + 64 * p, planes[p], 4);
    }
  }
  return bad;
}

/// Blocks of I4, I4M and I5M as the header of the module has them.
static ptrdiff_t memory_block_bytes(int32_t format) {
  return format == BW_I4 ? BW_I4_BLOCK : format == BW_I4M ? BW_I4M_BLOCK : BW_I5M_BLOCK;
}

/// What the scale of element k of such a block is multiplied with.
static int memory_block_code(int32_t format, const uint8_t *block, int k) {
  const uint8_t *codes = block + (format == BW_I4 ? 8 : 16);
  const int nibble = k < 16 ? codes[k] & 15 : codes[k - 16] >> 4;
  if (format == BW_I4) return bw_tables[codes[16] % BW_TABLE_COUNT][nibble];
  return format == BW_I4M ? nibble : nibble | (int)(bw_load32(codes + 16) >> k & 1) << 4;
}

static float memory_block_float(const uint8_t *block, int index) {
  float value;
  memcpy(&value, block + 4 * index, 4);
  return value;
}

/// Whether all values of half a group are finite numbers.
static int has_finite_values(int32_t format, const uint8_t *block, int half, float scale, float minimum) {
  // No code stands for more than 127; the codes themselves matter to scales near the end of the range alone.
  if (isfinite(scale * 127)) return isfinite(minimum);
  for (int k = 16 * half; k < 16 * half + 16; k++)
    if (!isfinite(scale * (float)memory_block_code(format, block, k))) return 0;
  return isfinite(minimum);
}

static int pack_row_i45(int32_t format, ptrdiff_t groups, const uint8_t *row, ptrdiff_t lane, uint8_t *tile) {
  static const uint8_t zeros[BW_I5M_BLOCK] = {0};
  int bad = 0;
  for (ptrdiff_t g = 0; g < groups; g++) {
    const uint8_t *block = row ? row + g * memory_block_bytes(format) : zeros;
    const uint8_t *codes = block + (format == BW_I4 ? 8 : 16);
    uint8_t *group = tile + g * bw_group_bytes(format);
    for (int half = 0; half < 2; half++) {
      const float scale = memory_block_float(block, half);
      const float minimum = bw_has_minimum(format) ? memory_block_float(block, 2 + half) : 0;
      bad |= !has_finite_values(format, block, half, scale, minimum);
      memcpy(group + bw_scales_offset(format) + 4 * (BW_TILE_ROWS * half + lane), &scale, 4);
      if (bw_has_minimum(format)) {
        memcpy(group + bw_minima_offset(format) + 4 * (BW_TILE_ROWS * half + lane), &minimum, 4);
      }
    }
    // The file pairs element i with i + 16, which is quad j with quad j + 4: the bytes move unchanged.
    for (int quad = 0; quad < 4; quad++) memcpy(group + 64 * quad + 4 * lane, codes + 4 * quad, 4);
    if (format == BW_I5M) {
      uint8_t plane[4] = {0};
      for (int k = 0; k < BW_GROUP; k++) plane[k % 4] |= (uint8_t)((bw_load32(codes + 16) >> k & 1) << (k / 4));
      memcpy(group + BW_Q5K_PLANE + 4 * lane, plane, 4);
    } else if (format == BW_I4 && (row || lane == 0)) {
      // All rows of a matrix have the same.
      memset(group + BW_I4_TABLE, 0, BW_I4_BYTES - BW_I4_TABLE);
      memcpy(group + BW_I4_TABLE, bw_tables[codes[16] % BW_TABLE_COUNT], 16);
    }
  }
  return bad;
}

ptrdiff_t bw_pack_tile(int32_t format, ptrdiff_t columns, const void *const *rows, void *tile) {
  const ptrdiff_t groups = (columns + BW_GROUP - 1) / BW_GROUP;
  const ptrdiff_t padded = groups * BW_GROUP;
  ptrdiff_t first_bad = -1;
  for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) {
    const uint8_t *row = (const uint8_t *)rows[lane];
    int bad = 0;
    switch (format) {
      case BW_F32: bad = pack_row_f32(columns, padded, row, lane, tile); break;
      case BW_F16: bad = pack_row_16(0x7c00u, columns, padded, row, lane, tile); break;
      case BW_BF16: bad = pack_row_16(0x7f80u, columns, padded, row, lane, tile); break;
      case BW_Q8_0: bad = pack_row_q8(groups, row, lane, tile); break;
      case BW_Q4_K: bad = pack_row_q45k(0, groups, row, lane, tile); break;
      case BW_Q5_K: bad = pack_row_q45k(1, groups, row, lane, tile); break;
      case BW_Q6_K: bad = pack_row_q6k(groups, row, lane, tile); break;
      case BW_I4:
      case BW_I4M:
      case BW_I5M: bad = pack_row_i45(format, groups, row, lane, tile); break;
      default: bad = pack_row_q4(groups, row, lane, tile); break;
    }
    if (bad && first_bad < 0) first_bad = lane;
  }
  return first_bad;
}

/// One group of a packed row of a format without parts.
static void decode_packed_group(int32_t format, const uint8_t *group, ptrdiff_t lane, int count, float *out) {
  switch (format) {
    case BW_F32:
      for (int k = 0; k < count; k++) memcpy(out + k, group + 4 * (k * BW_TILE_ROWS + lane), 4);
      break;
    case BW_F16:
      for (int k = 0; k < count; k++) out[k] = bw_half_to_float(bw_load16(group + 2 * (k * BW_TILE_ROWS + lane)));
      break;
    case BW_BF16:
      for (int k = 0; k < count; k++) out[k] = bw_bfloat_to_float(bw_load16(group + 2 * (k * BW_TILE_ROWS + lane)));
      break;
    case BW_Q8_0: {
      const float scale = bw_half_to_float(bw_load16(group + BW_GROUP * BW_TILE_ROWS + 2 * lane));
      const uint8_t *codes = group + 4 * lane;
      for (int k = 0; k < count; k++) out[k] = scale * (float)(int8_t)codes[64 * (k / 4) + k % 4];
      break;
    }
    default: {
      const float scale = bw_half_to_float(bw_load16(group + BW_GROUP * BW_TILE_ROWS / 2 + 2 * lane));
      const uint8_t *codes = group + 4 * lane;
      for (int k = 0; k < count; k++) {
        const uint8_t byte = codes[64 * (k / 4 % 4) + k % 4];
        out[k] = scale * (float)((k < 16 ? byte & 15 : byte >> 4) - 8);
      }
      break;
    }
  }
}

void bw_decode_packed_row(
    int32_t format, const void *packed, ptrdiff_t tile_bytes, ptrdiff_t columns, ptrdiff_t row, float *out) {
  const ptrdiff_t lane = row % BW_TILE_ROWS;
  const uint8_t *tile = (const uint8_t *)packed + (row / BW_TILE_ROWS) * tile_bytes;
  for (ptrdiff_t k = 0; k < columns; k += BW_GROUP) {
    const int count = columns - k < BW_GROUP ? (int)(columns - k) : BW_GROUP;
    if (bw_has_parts(format)) {
      for (int i = 0; i < count; i++) out[k + i] = bw_part_weight(format, tile, k / BW_GROUP, i, (int)lane);
    } else {
      decode_packed_group(format, tile + k / BW_GROUP * bw_tile_group_bytes(format), lane, count, out + k);
    }
  }
}

static void decode_memory_block(int32_t format, const uint8_t *block, float *out) {
  for (int k = 0; k < BW_GROUP; k++) {
    out[k] = memory_block_float(block, k / 16) * (float)memory_block_code(format, block, k);
    if (bw_has_minimum(format)) out[k] -= memory_block_float(block, 2 + k / 16);
  }
}

void bw_decode(int32_t format, const void *source, ptrdiff_t count, float *out) {
  const uint8_t *bytes = (const uint8_t *)source;
  switch (format) {
    case BW_F32: memcpy(out, bytes, (size_t)count * 4); break;
    case BW_F16:
      for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_half_to_float(bw_load16(bytes + 2 * i));
      break;
    case BW_BF16:
      for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_bfloat_to_float(bw_load16(bytes + 2 * i));
      break;
    case BW_Q8_0:
      for (ptrdiff_t g = 0; g < count / BW_GROUP; g++) {
        const uint8_t *block = bytes + g * Q8_BLOCK;
        const float scale = bw_half_to_float(bw_load16(block));
        for (int i = 0; i < BW_GROUP; i++) out[g * BW_GROUP + i] = scale * (float)(int8_t)block[2 + i];
      }
      break;
    case BW_Q4_K:
    case BW_Q5_K:
    case BW_Q6_K: bw_decode_blocks(format, source, count, out); break;
    case BW_I4:
    case BW_I4M:
    case BW_I5M:
      for (ptrdiff_t g = 0; g < count / BW_GROUP; g++)
        decode_memory_block(format, bytes + g * memory_block_bytes(format), out + g * BW_GROUP);
      break;
    default:
      for (ptrdiff_t g = 0; g < count / BW_GROUP; g++) {
        const uint8_t *block = bytes + g * Q4_BLOCK;
        const float scale = bw_half_to_float(bw_load16(block));
        for (int i = 0; i < BW_GROUP / 2; i++) {
          out[g * BW_GROUP + i] = scale * (float)((block[2 + i] & 15) - 8);
          out[g * BW_GROUP + i + 16] = scale * (float)((block[2 + i] >> 4) - 8);
        }
      }
      break;
  }
}
