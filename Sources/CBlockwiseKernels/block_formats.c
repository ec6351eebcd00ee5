// Block types of GGUF that no kernel computes with: exact values of their blocks, and packing of tiles from them.
//
// Every value is a product of a half-precision scale and small integers that f32 holds exactly, or the difference of
// two such products, so there is one right answer whatever the order of operations.
#include "block_grids.h"
#include "block_layouts.h"

#pragma STDC FP_CONTRACT OFF

enum { LONGEST_BLOCK = 256, LONGEST_INTEGER_BLOCK = 66 };

static const struct {
  uint16_t elements, bytes;
} shapes[] = {
    [BW_Q4_1] = {32, 20},     [BW_Q5_0] = {32, 22},     [BW_Q5_1] = {32, 24},      [BW_Q2_K] = {256, 84},
    [BW_Q3_K] = {256, 110},   [BW_Q4_K] = {256, 144},   [BW_Q5_K] = {256, 176},    [BW_Q6_K] = {256, 210},
    [BW_IQ2_XXS] = {256, 66}, [BW_IQ2_XS] = {256, 74},  [BW_IQ3_XXS] = {256, 98},  [BW_IQ1_S] = {256, 50},
    [BW_IQ4_NL] = {32, 18},   [BW_IQ3_S] = {256, 110},  [BW_IQ2_S] = {256, 82},    [BW_IQ4_XS] = {256, 136},
    [BW_IQ1_M] = {256, 56},   [BW_TQ1_0] = {256, 54},   [BW_TQ2_0] = {256, 66},    [BW_MXFP4] = {32, 17},
    [BW_NVFP4] = {64, 36},    [BW_Q1_0] = {128, 18},    [BW_Q2_0] = {64, 18},
};

static int is_known(int32_t type) { return type >= 0 && type < (int32_t)(sizeof shapes / sizeof shapes[0]); }

ptrdiff_t bw_block_elements(int32_t type) { return is_known(type) ? shapes[type].elements : 0; }

ptrdiff_t bw_block_bytes(int32_t type) { return is_known(type) ? shapes[type].bytes : 0; }

static float half_at(const uint8_t *p) { return bw_half_to_float(bw_load16(p)); }

static uint32_t load32(const uint8_t *p) {
  uint32_t u;
  memcpy(&u, p, 4);
  return u;
}

// 32 nibbles of 16 bytes: the low halves first, then the high ones. In two loops, so that both become vector
// instructions.
static inline void nibbles(const uint8_t *b, int q[32]) {
  for (int i = 0; i < 16; i++) q[i] = b[i] & 15;
  for (int i = 0; i < 16; i++) q[16 + i] = b[i] >> 4;
}

// Two bits of element k of 256 in 64 bytes: bytes in runs of 32, each run holding four runs of elements.
static int two_bits(const uint8_t *b, int k) { return (b[32 * (k / 128) + k % 32] >> (2 * ((k / 32) % 4))) & 3; }

// MARK: 32 elements

static void decode_q4_1(const uint8_t *b, float *out) {
  const float d = half_at(b), m = half_at(b + 2);
  int q[32];
  nibbles(b + 4, q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)q[i] + m;
}

// Adds the fifth bits to 32 nibbles.
static inline void add_high_bits(uint32_t high, int q[32]) {
  for (int i = 0; i < 32; i++) q[i] |= (int)(high >> i & 1) << 4;
}

static void decode_q5_0(const uint8_t *b, float *out) {
  const float d = half_at(b);
  int q[32];
  nibbles(b + 6, q);
  add_high_bits(load32(b + 2), q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(q[i] - 16);
}

static void decode_q5_1(const uint8_t *b, float *out) {
  const float d = half_at(b), m = half_at(b + 2);
  int q[32];
  nibbles(b + 8, q);
  add_high_bits(load32(b + 4), q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)q[i] + m;
}

static void decode_iq4_nl(const uint8_t *b, float *out) {
  const float d = half_at(b);
  int q[32];
  nibbles(b + 2, q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)bw_nonlinear4[q[i]];
}

// E2M1 numbers, doubled so that they are integers; their scales below are halved.
static const int8_t e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void decode_mxfp4(const uint8_t *b, float *out) {
  // 2^(e - 128); the smallest two are subnormal.
  const float d = b[0] < 2 ? bw_from_bits(0x00200000u << b[0]) : bw_from_bits((uint32_t)(b[0] - 1) << 23);
  int q[32];
  nibbles(b + 1, q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)e2m1_doubled[q[i]];
}

static void decode_nvfp4(const uint8_t *b, float *out) {
  for (int j = 0; j < 4; j++) {
    // A scale without sign in E4M3, halved; 0x7f is its NaN, which the format reads as zero.
    const int exponent = (b[j] >> 3) & 15, mantissa = b[j] & 7;
    float d = exponent == 0 ? (float)mantissa * 0x1p-10f
                            : (float)(8 + mantissa) * bw_from_bits((uint32_t)(exponent + 127 - 11) << 23);
    if (b[j] == 0x7f) d = 0;
    for (int i = 0; i < 16; i++)
      out[16 * j + i] = d * (float)e2m1_doubled[(b[4 + 8 * j + i % 8] >> (4 * (i / 8))) & 15];
  }
}

static void decode_q1_0(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int i = 0; i < 128; i++) out[i] = (b[2 + i / 8] >> (i % 8)) & 1 ? d : -d;
}

static void decode_q2_0(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int i = 0; i < 64; i++) out[i] = d * (float)(((b[2 + i / 4] >> (2 * (i % 4))) & 3) - 1);
}

// MARK: 256 elements with scales of their parts

static void decode_q2_k(const uint8_t *b, float *out) {
  const float d = half_at(b + 80), m = half_at(b + 82);
  for (int j = 0; j < 16; j++) {
    const float dl = d * (float)(b[j] & 15), ml = m * (float)(b[j] >> 4);
    for (int i = 0; i < 16; i++) out[16 * j + i] = dl * (float)two_bits(b + 16, 16 * j + i) - ml;
  }
}

static void decode_q3_k(const uint8_t *b, float *out) {
  const uint8_t *mask = b, *s = b + 96;
  const float d = half_at(b + 108);
  for (int j = 0; j < 16; j++) {
    const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    const int scale = (low | ((s[8 + j % 4] >> (2 * (j / 4))) & 3) << 4) - 32;
    const float dl = d * (float)scale;
    for (int i = 0; i < 16; i++) {
      const int k = 16 * j + i;
      out[k] = dl * (float)(two_bits(b + 32, k) - ((mask[k % 32] >> (k / 32)) & 1 ? 0 : 4));
    }
  }
}

static inline __attribute__((always_inline)) void decode_q45_k(const uint8_t *b, int has_fifth_bit, float *out) {
  const float d = half_at(b), m = half_at(b + 2);
  const uint8_t *high = b + 16, *low = has_fifth_bit ? b + 48 : b + 16;
  for (int j = 0; j < 8; j++) {
    int scale, minimum;
    bw_scale_and_minimum(b + 4, j, &scale, &minimum);
    const float dl = d * (float)scale, ml = m * (float)minimum;
    // Two loops, so that both become vector instructions.
    int q[32];
    if (j % 2) {
      for (int i = 0; i < 32; i++) q[i] = low[16 * (j - 1) + i] >> 4;
    } else {
      for (int i = 0; i < 32; i++) q[i] = low[16 * j + i] & 15;
    }
    if (has_fifth_bit)
      for (int i = 0; i < 32; i++) q[i] |= ((high[i] >> j) & 1) << 4;
    for (int i = 0; i < 32; i++) out[32 * j + i] = dl * (float)q[i] - ml;
  }
}

static void decode_q6_k(const uint8_t *b, float *out) {
  const uint8_t *low = b, *high = b + 128;
  const float d = half_at(b + 208);
  for (int j = 0; j < 16; j++) {
    const float dl = d * (float)(int8_t)b[192 + j];
    for (int i = 0; i < 16; i++) {
      const int k = 16 * j + i, half = k / 128, quarter = (k / 32) % 4;
      const int q = (low[64 * half + 32 * (quarter % 2) + k % 32] >> (4 * (quarter / 2))) & 15;
      out[k] = dl * (float)((q | two_bits(high, k) << 4) - 32);
    }
  }
}

static void decode_iq4_xs(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int j = 0; j < 8; j++) {
    const int low = (b[4 + j / 2] >> (4 * (j % 2))) & 15, high = (bw_load16(b + 2) >> (2 * j)) & 3;
    const float dl = d * (float)((low | high << 4) - 32);
    int q[32];
    nibbles(b + 8 + 16 * j, q);
    for (int i = 0; i < 32; i++) out[32 * j + i] = dl * (float)bw_nonlinear4[q[i]];
  }
}

// Five ternary digits of one byte: the byte is their number as a fraction of 1, the digit n what three times that
// fraction, moved up by n digits, has before the point.
static float ternary(uint8_t byte, int n) {
  static const uint8_t powers[5] = {1, 3, 9, 27, 81};
  return (float)(((uint8_t)(byte * powers[n]) * 3 >> 8) - 1);
}

static void decode_tq1_0(const uint8_t *b, float *out) {
  const float d = half_at(b + 52);
  for (int n = 0; n < 5; n++) {
    for (int i = 0; i < 32; i++) out[32 * n + i] = d * ternary(b[i], n);
    for (int i = 0; i < 16; i++) out[160 + 16 * n + i] = d * ternary(b[32 + i], n);
  }
  for (int n = 0; n < 4; n++)
    for (int i = 0; i < 4; i++) out[240 + 4 * n + i] = d * ternary(b[48 + i], n);
}

static void decode_tq2_0(const uint8_t *b, float *out) {
  const float d = half_at(b + 64);
  for (int k = 0; k < 256; k++) out[k] = d * (float)(two_bits(b, k) - 1);
}

// MARK: 256 elements, points of a grid

// Eight signs from seven bits: the last one makes the number of minus signs even.
static uint32_t even_signs(uint32_t s) { return s | (uint32_t)__builtin_parity(s) << 7; }

// Eight values of an IQ2 grid under one scale.
static void put_iq2(uint16_t point, uint32_t signs, float scale, float *out) {
  static const float values[4] = {8, 25, 43, 0};
  for (int i = 0; i < 8; i++) {
    const float x = scale * values[(point >> (2 * i)) & 3];
    out[i] = (signs >> i) & 1 ? -x : x;
  }
}

// Four values of an IQ3 grid, whose codes 0…7 a table spells out, under one scale.
static void put_iq3(const float *values, uint16_t point, uint32_t signs, float scale, float *out) {
  for (int i = 0; i < 4; i++) {
    const float x = scale * values[(point >> (4 * i)) & 7];
    out[i] = (signs >> i) & 1 ? -x : x;
  }
}

// Eight ternary values, shifted by an eighth, under one scale.
static void put_iq1(uint16_t point, int is_negative, float scale, float *out) {
  const float shift = is_negative ? -0.125f : 0.125f;
  for (int i = 0; i < 8; i++) out[i] = scale * ((float)((point >> (2 * i)) & 3) - 1 + shift);
}

static void decode_iq2_xxs(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int j = 0; j < 8; j++) {
    const uint8_t *points = b + 2 + 8 * j;
    const uint32_t rest = load32(points + 4);
    const float dl = d * (0.5f + (float)(rest >> 28)) * 0.25f;
    for (int i = 0; i < 4; i++)
      put_iq2(bw_grid_iq2_xxs[points[i]], even_signs((rest >> (7 * i)) & 127), dl, out + 32 * j + 8 * i);
  }
}

static void decode_iq2_xs(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int j = 0; j < 32; j++) {
    const uint32_t q = bw_load16(b + 2 + 2 * j);
    const float dl = d * (0.5f + (float)((b[66 + j / 4] >> (4 * ((j / 2) % 2))) & 15)) * 0.25f;
    put_iq2(bw_grid_iq2_xs[q & 511], even_signs(q >> 9), dl, out + 8 * j);
  }
}

static void decode_iq2_s(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int j = 0; j < 32; j++) {
    const int q = b[2 + j] | ((b[66 + j / 4] >> (2 * (j % 4))) & 3) << 8;
    const float dl = d * (0.5f + (float)((b[74 + j / 4] >> (4 * ((j / 2) % 2))) & 15)) * 0.25f;
    put_iq2(bw_grid_iq2_s[q], b[34 + j], dl, out + 8 * j);
  }
}

static void decode_iq3_xxs(const uint8_t *b, float *out) {
  static const float values[8] = {4, 12, 20, 28, 36, 44, 52, 62};
  const float d = half_at(b);
  for (int j = 0; j < 8; j++) {
    const uint32_t rest = load32(b + 66 + 4 * j);
    const float dl = d * (0.5f + (float)(rest >> 28)) * 0.5f;
    for (int i = 0; i < 8; i++) {
      const uint32_t signs = even_signs((rest >> (7 * (i / 2))) & 127) >> (4 * (i % 2));
      put_iq3(values, bw_grid_iq3_xxs[b[2 + 8 * j + i]], signs, dl, out + 32 * j + 4 * i);
    }
  }
}

static void decode_iq3_s(const uint8_t *b, float *out) {
  static const float values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
  const float d = half_at(b);
  for (int j = 0; j < 64; j++) {
    const int q = b[2 + j] | ((b[66 + j / 8] >> (j % 8)) & 1) << 8;
    const float dl = d * (float)(1 + 2 * ((b[106 + j / 16] >> (4 * ((j / 8) % 2))) & 15));
    put_iq3(values, bw_grid_iq3_s[q], (uint32_t)b[74 + j / 2] >> (4 * (j % 2)), dl, out + 4 * j);
  }
}

static void decode_iq1_s(const uint8_t *b, float *out) {
  const float d = half_at(b);
  for (int j = 0; j < 32; j++) {
    const int high = bw_load16(b + 34 + 2 * (j / 4));
    const int q = b[2 + j] | ((high >> (3 * (j % 4))) & 7) << 8;
    put_iq1(bw_grid_iq1[q], high >> 15, d * (float)(2 * ((high >> 12) & 7) + 1), out + 8 * j);
  }
}

static void decode_iq1_m(const uint8_t *b, float *out) {
  const uint8_t *scales = b + 48;
  // The half-precision scale lies in the upper nibbles of four 16-bit words, the lowest nibble first.
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) bits |= (uint32_t)(bw_load16(scales + 2 * i) >> 12) << (4 * i);
  const float d = bw_half_to_float((uint16_t)bits);
  for (int j = 0; j < 32; j++) {
    const int high = b[32 + j / 2] >> (4 * (j % 2));
    const int scale = (bw_load16(scales + 2 * (j / 8)) >> (3 * ((j / 2) % 4))) & 7;
    put_iq1(bw_grid_iq1[b[j] | (high & 7) << 8], (high >> 3) & 1, d * (float)(2 * scale + 1), out + 8 * j);
  }
}

// MARK: Rows

static void decode_block(int32_t type, const uint8_t *b, float *out) {
  switch (type) {
    case BW_Q4_1: decode_q4_1(b, out); break;
    case BW_Q5_0: decode_q5_0(b, out); break;
    case BW_Q5_1: decode_q5_1(b, out); break;
    case BW_Q2_K: decode_q2_k(b, out); break;
    case BW_Q3_K: decode_q3_k(b, out); break;
    case BW_Q4_K: decode_q45_k(b, 0, out); break;
    case BW_Q5_K: decode_q45_k(b, 1, out); break;
    case BW_Q6_K: decode_q6_k(b, out); break;
    case BW_IQ2_XXS: decode_iq2_xxs(b, out); break;
    case BW_IQ2_XS: decode_iq2_xs(b, out); break;
    case BW_IQ3_XXS: decode_iq3_xxs(b, out); break;
    case BW_IQ1_S: decode_iq1_s(b, out); break;
    case BW_IQ4_NL: decode_iq4_nl(b, out); break;
    case BW_IQ3_S: decode_iq3_s(b, out); break;
    case BW_IQ2_S: decode_iq2_s(b, out); break;
    case BW_IQ4_XS: decode_iq4_xs(b, out); break;
    case BW_IQ1_M: decode_iq1_m(b, out); break;
    case BW_TQ1_0: decode_tq1_0(b, out); break;
    case BW_TQ2_0: decode_tq2_0(b, out); break;
    case BW_MXFP4: decode_mxfp4(b, out); break;
    case BW_NVFP4: decode_nvfp4(b, out); break;
    case BW_Q1_0: decode_q1_0(b, out); break;
    case BW_Q2_0: decode_q2_0(b, out); break;
    default: break;
  }
}

static int is_finite(const float *x, ptrdiff_t count) {
  uint32_t bad = 0;
  for (ptrdiff_t i = 0; i < count; i++) bad |= (bw_bits(x[i]) & 0x7f800000u) == 0x7f800000u;
  return !bad;
}

void bw_decode_blocks(int32_t type, const void *source, ptrdiff_t count, float *out) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  if (elements == 0) return;
  for (ptrdiff_t i = 0; i < count / elements; i++)
    decode_block(type, (const uint8_t *)source + i * bytes, out + i * elements);
}

int32_t bw_blocks_are_finite(int32_t type, const void *source, ptrdiff_t count) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  float values[LONGEST_BLOCK];
  if (elements == 0) return 0;
  for (ptrdiff_t i = 0; i < count / elements; i++) {
    decode_block(type, (const uint8_t *)source + i * bytes, values);
    if (!is_finite(values, elements)) return 0;
  }
  return 1;
}

// MARK: Tiles

static ptrdiff_t pack_f32_tile(int32_t type, ptrdiff_t columns, const void *const *rows, void *tile) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  float values[BW_TILE_ROWS][LONGEST_BLOCK] = {{0}};
  uint32_t bad_lanes = 0;
  float *out = (float *)tile;
  // Blocks are whole groups of 32, so rows of whole blocks need no padding.
  for (ptrdiff_t block = 0; block < columns / elements; block++) {
    for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) {
      if (!rows[lane]) continue;
      decode_block(type, (const uint8_t *)rows[lane] + block * bytes, values[lane]);
      if (!is_finite(values[lane], elements)) bad_lanes |= 1u << lane;
    }
    for (ptrdiff_t k = 0; k < elements; k++)
      for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) *out++ = values[lane][k];
  }
  return bad_lanes ? __builtin_ctz(bad_lanes) : -1;
}

// Where the scale of a block lies whose values are that scale times small integers.
static ptrdiff_t scale_offset(int32_t type) { return type == BW_TQ1_0 ? 52 : type == BW_TQ2_0 ? 64 : 0; }

// The same block as blocks of 32 of Q8_0 or Q4_0, which have the same values bit for bit: the scale is kept, and the
// integers are found by decoding under a scale of one.
static void convert_block(int32_t type, int32_t resident, const uint8_t *b, uint8_t *out) {
  uint8_t copy[LONGEST_INTEGER_BLOCK];
  float values[LONGEST_BLOCK];
  const ptrdiff_t elements = bw_block_elements(type), at = scale_offset(type);
  memcpy(copy, b, (size_t)bw_block_bytes(type));
  bw_store16(copy + at, 0x3c00);
  decode_block(type, copy, values);
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

int32_t bw_resident_format(int32_t type) {
  switch (type) {
    case BW_Q5_0:
    case BW_IQ4_NL: return BW_Q8_0;
    case BW_TQ1_0:
    case BW_TQ2_0:
    case BW_Q1_0:
    case BW_Q2_0: return BW_Q4_0;
    default: return BW_F32;
  }
}

ptrdiff_t bw_pack_blocks_tile(int32_t type, ptrdiff_t columns, const void *const *rows, void *tile) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  const int32_t resident = bw_resident_format(type);
  if (elements == 0) return 0;
  if (resident == BW_F32) return pack_f32_tile(type, columns, rows, tile);
  // One block of every row at a time; groups of a tile follow each other.
  uint8_t blocks[BW_TILE_ROWS][LONGEST_BLOCK / BW_GROUP * 34];
  const void *converted[BW_TILE_ROWS];
  ptrdiff_t first_bad = -1;
  for (ptrdiff_t block = 0; block < columns / elements; block++) {
    for (ptrdiff_t lane = 0; lane < BW_TILE_ROWS; lane++) {
      converted[lane] = rows[lane] ? blocks[lane] : NULL;
      if (rows[lane])
        convert_block(type, resident, (const uint8_t *)rows[lane] + block * bytes, blocks[lane]);
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
