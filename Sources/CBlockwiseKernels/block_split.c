// Block types of GGUF whose values are codes of a few bits under scales of 16 or 32 elements.
//
// Scales are products of a half-precision number (11 bits) and an integer of at most six bits, or powers of two, and what
// codes stand for has at most seven bits and a sign: f32 holds scales, and their products with it, exactly, beside those
// that overflow.
#include "block_grids.h"
#include "block_split.h"

#pragma STDC FP_CONTRACT OFF

const int8_t bw_tables[BW_TABLE_COUNT][16] = {
    [BW_TABLE_NONLINEAR] = {BW_NONLINEAR4},
    // E2M1 numbers, doubled so that they are integers; their scales below are halved.
    [BW_TABLE_E2M1] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12},
    [BW_TABLE_Q3] = {-4, -3, -2, -1, 0, 1, 2, 3},
    // Values of the grids, and behind them the same with the other sign.
    [BW_TABLE_IQ2] = {8, 25, 43, 0, -8, -25, -43, 0},
    [BW_TABLE_IQ3_XXS] = {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62},
    [BW_TABLE_IQ3_S] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15},
    // Ternary values and an eighth more or, behind them, less; in eighths.
    [BW_TABLE_IQ1] = {-7, 1, 9, 17, -9, -1, 7, 15},
};

int bw_table_of(int32_t type) {
  switch (type) {
    case BW_IQ4_XS: return BW_TABLE_NONLINEAR;
    case BW_MXFP4:
    case BW_NVFP4: return BW_TABLE_E2M1;
    case BW_Q3_K: return BW_TABLE_Q3;
    case BW_IQ3_XXS: return BW_TABLE_IQ3_XXS;
    case BW_IQ3_S: return BW_TABLE_IQ3_S;
    case BW_IQ1_S:
    case BW_IQ1_M: return BW_TABLE_IQ1;
    default: return BW_TABLE_IQ2;
  }
}

static void put_nibbles(const uint8_t *b, uint8_t *codes) {
  for (int i = 0; i < 16; i++) codes[i] = b[i] & 15;
  for (int i = 0; i < 16; i++) codes[16 + i] = b[i] >> 4;
}

// Two bits of each of 256 elements in 64 bytes: bytes in runs of 32, each run holding four runs of elements.
static void put_two_bits(const uint8_t *b, uint8_t *codes) {
  for (int run = 0; run < 8; run++)
    for (int i = 0; i < 32; i++) codes[32 * run + i] = (b[32 * (run / 4) + i] >> (2 * (run % 4))) & 3;
}

// MARK: 32 and 64 elements

// Q4_1 and Q5_1 add what the resident format subtracts.
static void split_q45_1(const uint8_t *b, int has_fifth_bit, bw_block_split *s) {
  put_nibbles(b + (has_fifth_bit ? 8 : 4), s->codes);
  const uint32_t high = has_fifth_bit ? bw_load32(b + 4) : 0;
  for (int i = 0; i < 32; i++) s->codes[i] |= (uint8_t)((high >> i & 1) << 4);
  s->scales[0] = s->scales[1] = bw_half_at(b);
  s->minima[0] = s->minima[1] = -bw_half_at(b + 2);
}

static void split_mxfp4(const uint8_t *b, bw_block_split *s) {
  // 2^(e - 128); the smallest two are subnormal.
  s->scales[0] = b[0] < 2 ? bw_from_bits(0x00200000u << b[0]) : bw_from_bits((uint32_t)(b[0] - 1) << 23);
  s->scales[1] = s->scales[0];
  put_nibbles(b + 1, s->codes);
}

static void split_nvfp4(const uint8_t *b, bw_block_split *s) {
  for (int j = 0; j < 4; j++) {
    // A scale without sign in E4M3, halved; 0x7f is its NaN, which the format reads as zero.
    const int exponent = (b[j] >> 3) & 15, mantissa = b[j] & 7;
    s->scales[j] = exponent == 0 ? (float)mantissa * 0x1p-10f
                                 : (float)(8 + mantissa) * bw_from_bits((uint32_t)(exponent + 127 - 11) << 23);
    if (b[j] == 0x7f) s->scales[j] = 0;
    for (int i = 0; i < 16; i++) s->codes[16 * j + i] = (b[4 + 8 * j + i % 8] >> (4 * (i / 8))) & 15;
  }
}

// MARK: 256 elements

static void split_q2_k(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b + 80), m = bw_half_at(b + 82);
  for (int j = 0; j < 16; j++) {
    s->scales[j] = d * (float)(b[j] & 15);
    s->minima[j] = m * (float)(b[j] >> 4);
  }
  put_two_bits(b + 16, s->codes);
}

static void split_q3_k(const uint8_t *b, bw_block_split *s) {
  const uint8_t *mask = b, *scales = b + 96;
  const float d = bw_half_at(b + 108);
  for (int j = 0; j < 16; j++) {
    const int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
    s->scales[j] = d * (float)((low | ((scales[8 + j % 4] >> (2 * (j / 4))) & 3) << 4) - 32);
  }
  put_two_bits(b + 32, s->codes);
  for (int run = 0; run < 8; run++)
    for (int i = 0; i < 32; i++) s->codes[32 * run + i] |= (uint8_t)(((mask[i] >> run) & 1) << 2);
}

static void split_iq4_xs(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 8; j++) {
    const int low = (b[4 + j / 2] >> (4 * (j % 2))) & 15, high = (bw_load16(b + 2) >> (2 * j)) & 3;
    s->scales[2 * j] = s->scales[2 * j + 1] = d * (float)((low | high << 4) - 32);
    put_nibbles(b + 8 + 16 * j, s->codes + 32 * j);
  }
}

// MARK: 256 elements, points of a grid

// Eight signs from seven bits: the last one makes the number of minus signs even.
static uint32_t even_signs(uint32_t s) { return s | (uint32_t)__builtin_parity(s) << 7; }

// Eight values of a grid of IQ2 or IQ1.
static void put_eight(uint16_t point, uint32_t signs, uint8_t *codes) {
  for (int i = 0; i < 8; i++) codes[i] = (uint8_t)(((point >> (2 * i)) & 3) | ((signs >> i) & 1) << 2);
}

// Four values of a grid of IQ3.
static void put_four(uint16_t point, uint32_t signs, uint8_t *codes) {
  for (int i = 0; i < 4; i++) codes[i] = (uint8_t)(((point >> (4 * i)) & 7) | ((signs >> i) & 1) << 3);
}

static void split_iq2_xxs(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 8; j++) {
    const uint8_t *points = b + 2 + 8 * j;
    const uint32_t rest = bw_load32(points + 4);
    s->scales[2 * j] = s->scales[2 * j + 1] = d * (0.5f + (float)(rest >> 28)) * 0.25f;
    for (int i = 0; i < 4; i++)
      put_eight(bw_grid_iq2_xxs[points[i]], even_signs((rest >> (7 * i)) & 127), s->codes + 32 * j + 8 * i);
  }
}

static void split_iq2_xs(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 16; j++) s->scales[j] = d * (0.5f + (float)((b[66 + j / 2] >> (4 * (j % 2))) & 15)) * 0.25f;
  for (int j = 0; j < 32; j++) {
    const uint32_t q = bw_load16(b + 2 + 2 * j);
    put_eight(bw_grid_iq2_xs[q & 511], even_signs(q >> 9), s->codes + 8 * j);
  }
}

static void split_iq2_s(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 16; j++) s->scales[j] = d * (0.5f + (float)((b[74 + j / 2] >> (4 * (j % 2))) & 15)) * 0.25f;
  for (int j = 0; j < 32; j++) {
    const int q = b[2 + j] | ((b[66 + j / 4] >> (2 * (j % 4))) & 3) << 8;
    put_eight(bw_grid_iq2_s[q], b[34 + j], s->codes + 8 * j);
  }
}

static void split_iq3_xxs(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 8; j++) {
    const uint32_t rest = bw_load32(b + 66 + 4 * j);
    s->scales[2 * j] = s->scales[2 * j + 1] = d * (0.5f + (float)(rest >> 28)) * 0.5f;
    for (int i = 0; i < 8; i++) {
      const uint32_t signs = even_signs((rest >> (7 * (i / 2))) & 127) >> (4 * (i % 2));
      put_four(bw_grid_iq3_xxs[b[2 + 8 * j + i]], signs, s->codes + 32 * j + 4 * i);
    }
  }
}

static void split_iq3_s(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 16; j++) s->scales[j] = d * (float)(1 + 2 * ((b[106 + j / 4] >> (4 * ((j / 2) % 2))) & 15));
  for (int j = 0; j < 64; j++) {
    const int q = b[2 + j] | ((b[66 + j / 8] >> (j % 8)) & 1) << 8;
    put_four(bw_grid_iq3_s[q], (uint32_t)b[74 + j / 2] >> (4 * (j % 2)), s->codes + 4 * j);
  }
}

static void split_iq1_s(const uint8_t *b, bw_block_split *s) {
  const float d = bw_half_at(b);
  for (int j = 0; j < 8; j++) {
    const int high = bw_load16(b + 34 + 2 * j);
    s->scales[2 * j] = s->scales[2 * j + 1] = d * (float)(2 * ((high >> 12) & 7) + 1) * 0.125f;
    for (int i = 0; i < 4; i++)
      put_eight(
          bw_grid_iq1[b[2 + 4 * j + i] | ((high >> (3 * i)) & 7) << 8], high >> 15 ? 255 : 0,
          s->codes + 32 * j + 8 * i);
  }
}

static void split_iq1_m(const uint8_t *b, bw_block_split *s) {
  const uint8_t *scales = b + 48;
  // The half-precision scale lies in the upper nibbles of four 16-bit words, the lowest nibble first.
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) bits |= (uint32_t)(bw_load16(scales + 2 * i) >> 12) << (4 * i);
  const float d = bw_half_to_float((uint16_t)bits);
  for (int j = 0; j < 16; j++) {
    const int scale = (bw_load16(scales + 2 * (j / 4)) >> (3 * (j % 4))) & 7;
    s->scales[j] = d * (float)(2 * scale + 1) * 0.125f;
  }
  for (int j = 0; j < 32; j++) {
    const int high = b[32 + j / 2] >> (4 * (j % 2));
    put_eight(bw_grid_iq1[b[j] | (high & 7) << 8], (high >> 3) & 1 ? 255 : 0, s->codes + 8 * j);
  }
}

void bw_split_block(int32_t type, const uint8_t *b, bw_block_split *split) {
  switch (type) {
    case BW_Q4_1: split_q45_1(b, 0, split); break;
    case BW_Q5_1: split_q45_1(b, 1, split); break;
    case BW_Q2_K: split_q2_k(b, split); break;
    case BW_Q3_K: split_q3_k(b, split); break;
    case BW_IQ2_XXS: split_iq2_xxs(b, split); break;
    case BW_IQ2_XS: split_iq2_xs(b, split); break;
    case BW_IQ3_XXS: split_iq3_xxs(b, split); break;
    case BW_IQ1_S: split_iq1_s(b, split); break;
    case BW_IQ3_S: split_iq3_s(b, split); break;
    case BW_IQ2_S: split_iq2_s(b, split); break;
    case BW_IQ4_XS: split_iq4_xs(b, split); break;
    case BW_IQ1_M: split_iq1_m(b, split); break;
    case BW_MXFP4: split_mxfp4(b, split); break;
    case BW_NVFP4: split_nvfp4(b, split); break;
    default: break;
  }
}
