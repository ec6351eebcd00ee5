// Tiles of block types of GGUF that no kernel computes with: their blocks become blocks of another format, exactly.
#include "block_split.h"

#pragma STDC FP_CONTRACT OFF

enum { LONGEST_INTEGER_BLOCK = 66 };

int32_t bw_resident_format(int32_t type) {
  switch (type) {
    case BW_Q5_0:
    case BW_IQ4_NL: return BW_Q8_0;
    case BW_TQ1_0:
    case BW_TQ2_0:
    case BW_Q1_0:
    case BW_Q2_0: return BW_Q4_0;
    case BW_Q4_1:
    case BW_Q2_K: return BW_I4M;
    case BW_Q5_1: return BW_I5M;
    case BW_Q4_K:
    case BW_Q5_K:
    case BW_Q6_K: return type;
    default: return BW_I4;
  }
}

// Where the scale of a block lies whose values are that scale times small integers.
static ptrdiff_t scale_offset(int32_t type) { return type == BW_TQ1_0 ? 52 : type == BW_TQ2_0 ? 64 : 0; }

// A block of one scale as blocks of 32 of Q8_0 or Q4_0, which have the same values bit for bit: the scale is kept, and
// the integers are found by decoding under a scale of one.
static void convert_integers(int32_t type, int32_t resident, const uint8_t *b, uint8_t *out) {
  uint8_t copy[LONGEST_INTEGER_BLOCK];
  float values[BW_LONGEST_BLOCK];
  const ptrdiff_t elements = bw_block_elements(type), at = scale_offset(type);
  memcpy(copy, b, (size_t)bw_block_bytes(type));
  bw_store16(copy + at, 0x3c00);
  bw_decode_block(type, copy, values);
  for (ptrdiff_t group = 0; group < elements / BW_GROUP; group++) {
    const float *x = values + group * BW_GROUP;
    memcpy(out, b + at, 2);
    if (resident == BW_Q8_0) {
      for (int i = 0; i < BW_GROUP; i++) out[2 + i] = (uint8_t)(int8_t)x[i];
      out += 34;
    } else {
      for (int i = 0; i < 16; i++) out[2 + i] = (uint8_t)(((int)x[i] + 8) | ((int)x[i + 16] + 8) << 4);
      out += 18;
    }
  }
}

// A block as blocks of 32 of I4, I4M or I5M.
static void convert_split(int32_t type, int32_t resident, const uint8_t *b, uint8_t *out) {
  bw_block_split split;
  bw_split_block(type, b, &split);
  for (ptrdiff_t group = 0; group < bw_block_elements(type) / BW_GROUP; group++) {
    const uint8_t *codes = split.codes + BW_GROUP * group;
    memcpy(out, split.scales + 2 * group, 8);
    out += 8;
    if (resident != BW_I4) {
      memcpy(out, split.minima + 2 * group, 8);
      out += 8;
    }
    for (int i = 0; i < 16; i++) out[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
    out += 16;
    if (resident == BW_I4) {
      *out++ = (uint8_t)bw_table_of(type);
      *out++ = 0;
    } else if (resident == BW_I5M) {
      uint32_t high = 0;
      for (int i = 0; i < BW_GROUP; i++) high |= (uint32_t)(codes[i] >> 4) << i;
      memcpy(out, &high, 4);
      out += 4;
    }
  }
}

ptrdiff_t bw_pack_blocks_tile(int32_t type, ptrdiff_t columns, const void *const *rows, void *tile) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  const int32_t resident = bw_resident_format(type);
  if (elements == 0) return 0;
  if (resident == type) return bw_pack_tile(type, columns, rows, tile);
  // One block of every row at a time; groups of a tile follow each other.
  uint8_t blocks[BW_TILE_ROWS][BW_LONGEST_BLOCK / BW_GROUP * BW_I5M_BLOCK];
  const void *converted[BW_TILE_ROWS];
  ptrdiff_t first_bad = -1;
  for (ptrdiff_t block = 0; block < columns / elements; block++) {
    for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) {
      converted[lane] = rows[lane] ? blocks[lane] : NULL;
      if (!rows[lane]) continue;
      const uint8_t *source = (const uint8_t *)rows[lane] + block * bytes;
      if (resident == BW_Q8_0 || resident == BW_Q4_0) {
        convert_integers(type, resident, source, blocks[lane]);
      } else {
        convert_split(type, resident, source, blocks[lane]);
      }
    }
    const ptrdiff_t bad = bw_pack_tile(
        resident, elements, converted, (uint8_t *)tile + block * (elements / BW_GROUP) * bw_tile_group_bytes(resident));
    if (bad >= 0 && (first_bad < 0 || bad < first_bad)) first_bad = bad;
  }
  return first_bad;
}

void bw_unpack_tile(
    int32_t type, ptrdiff_t columns, const void *rows, ptrdiff_t row_bytes, ptrdiff_t row_count, ptrdiff_t tile,
    void *out) {
  const void *addresses[BW_TILE_ROWS];
  for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) {
    const ptrdiff_t row = tile * BW_TILE_ROWS + lane;
    addresses[lane] = row < row_count ? (const uint8_t *)rows + row * row_bytes : NULL;
  }
  bw_pack_blocks_tile(type, columns, addresses, out);
}
