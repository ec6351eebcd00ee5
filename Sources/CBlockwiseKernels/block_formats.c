// Block types of GGUF: exact values of their blocks.
//
// Every value is a product of a scale and small integers that f32 holds exactly, or the difference of two such products,
// so there is one right answer whatever the order of operations.
#include "block_split.h"

#pragma STDC FP_CONTRACT OFF

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

// MARK: 32 elements

// 32 nibbles of 16 bytes: the low halves first, then the high ones. In two loops, so that both become vector
// instructions.
static inline void nibbles(const uint8_t *b, int q[32]) {
  for (int i = 0; i < 16; i++) q[i] = b[i] & 15;
  for (int i = 0; i < 16; i++) q[16 + i] = b[i] >> 4;
}

// Adds the fifth bits to 32 nibbles.
static inline void add_high_bits(uint32_t high, int q[32]) {
  for (int i = 0; i < 32; i++) q[i] |= (int)(high >> i & 1) << 4;
}

static void decode_q5_0(const uint8_t *b, float *out) {
  const float d = bw_half_at(b);
  int q[32];
  nibbles(b + 6, q);
  add_high_bits(bw_load32(b + 2), q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(q[i] - 16);
}

static void decode_iq4_nl(const uint8_t *b, float *out) {
  const float d = bw_half_at(b);
  int q[32];
  nibbles(b + 2, q);
  for (int i = 0; i < 32; i++) out[i] = d * (float)bw_nonlinear4[q[i]];
}

static void decode_q1_0(const uint8_t *b, float *out) {
  const float d = bw_half_at(b);
  for (int i = 0; i < 128; i++) out[i] = (b[2 + i / 8] >> (i % 8)) & 1 ? d : -d;
}

static void decode_q2_0(const uint8_t *b, float *out) {
  const float d = bw_half_at(b);
  for (int i = 0; i < 64; i++) out[i] = d * (float)(((b[2 + i / 4] >> (2 * (i % 4))) & 3) - 1);
}

// MARK: 256 elements

static inline __attribute__((always_inline)) void decode_q45_k(const uint8_t *b, int has_fifth_bit, float *out) {
  const float d = bw_half_at(b), m = bw_half_at(b + 2);
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
  const float d = bw_half_at(b + 208);
  for (int j = 0; j < 16; j++) {
    const float dl = d * (float)(int8_t)b[192 + j];
    for (int i = 0; i < 16; i++) {
      const int k = 16 * j + i, half = k / 128, quarter = (k / 32) % 4;
      const int q = (low[64 * half + 32 * (quarter % 2) + k % 32] >> (4 * (quarter / 2))) & 15;
      out[k] = dl * (float)((q | bw_two_bits(high, k) << 4) - 32);
    }
  }
}

// Five ternary digits of one byte: the byte is their number as a fraction of 1, the digit n what three times that
// fraction, moved up by n digits, has before the point.
static float ternary(uint8_t byte, int n) {
  static const uint8_t powers[5] = {1, 3, 9, 27, 81};
  return (float)(((uint8_t)(byte * powers[n]) * 3 >> 8) - 1);
}

static void decode_tq1_0(const uint8_t *b, float *out) {
  const float d = bw_half_at(b + 52);
  for (int n = 0; n < 5; n++) {
    for (int i = 0; i < 32; i++) out[32 * n + i] = d * ternary(b[i], n);
    for (int i = 0; i < 16; i++) out[160 + 16 * n + i] = d * ternary(b[32 + i], n);
  }
  for (int n = 0; n < 4; n++)
    for (int i = 0; i < 4; i++) out[240 + 4 * n + i] = d * ternary(b[48 + i], n);
}

static void decode_tq2_0(const uint8_t *b, float *out) {
  const float d = bw_half_at(b + 64);
  for (int k = 0; k < 256; k++) out[k] = d * (float)(bw_two_bits(b, k) - 1);
}

// MARK: Rows

// A type whose blocks are codes under scales of 16 elements.
static void join(int32_t type, const uint8_t *b, float *out) {
  bw_block_split split;
  bw_split_block(type, b, &split);
  const int8_t *table = bw_resident_format(type) == BW_I4 ? bw_tables[bw_table_of(type)] : NULL;
  for (int part = 0; part < bw_block_elements(type) / 16; part++) {
    const uint8_t *codes = split.codes + 16 * part;
    const float scale = split.scales[part], minimum = split.minima[part];
    if (table) {
      for (int i = 0; i < 16; i++) out[16 * part + i] = scale * (float)table[codes[i]];
    } else {
      for (int i = 0; i < 16; i++) out[16 * part + i] = scale * (float)codes[i] - minimum;
    }
  }
}

void bw_decode_block(int32_t type, const uint8_t *b, float *out) {
  switch (type) {
    case BW_Q5_0: decode_q5_0(b, out); break;
    case BW_Q4_K: decode_q45_k(b, 0, out); break;
    case BW_Q5_K: decode_q45_k(b, 1, out); break;
    case BW_Q6_K: decode_q6_k(b, out); break;
    case BW_IQ4_NL: decode_iq4_nl(b, out); break;
    case BW_TQ1_0: decode_tq1_0(b, out); break;
    case BW_TQ2_0: decode_tq2_0(b, out); break;
    case BW_Q1_0: decode_q1_0(b, out); break;
    case BW_Q2_0: decode_q2_0(b, out); break;
    default: join(type, b, out); break;
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
    bw_decode_block(type, (const uint8_t *)source + i * bytes, out + i * elements);
}

int32_t bw_blocks_are_finite(int32_t type, const void *source, ptrdiff_t count) {
  const ptrdiff_t elements = bw_block_elements(type), bytes = bw_block_bytes(type);
  float values[BW_LONGEST_BLOCK];
  if (elements == 0) return 0;
  for (ptrdiff_t i = 0; i < count / elements; i++) {
    bw_decode_block(type, (const uint8_t *)source + i * bytes, values);
    if (!is_finite(values, elements)) return 0;
  }
  return 1;
}
