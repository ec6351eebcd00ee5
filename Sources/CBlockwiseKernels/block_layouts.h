// What decoding, encoding and packing of block types share.
#ifndef BLOCKWISE_BLOCK_LAYOUTS_H
#define BLOCKWISE_BLOCK_LAYOUTS_H

#include "numbers.h"

/// Values of IQ4_NL and IQ4_XS before their scale, in rising order.
#define BW_NONLINEAR4 -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
static const int8_t bw_nonlinear4[16] = {BW_NONLINEAR4};

static inline float bw_half_at(const uint8_t *p) { return bw_half_to_float(bw_load16(p)); }

static inline uint32_t bw_load32(const uint8_t *p) {
  uint32_t u;
  memcpy(&u, p, 4);
  return u;
}

/// Two bits of element k of 256 in 64 bytes: bytes in runs of 32, each run holding four runs of elements.
static inline int bw_two_bits(const uint8_t *b, int k) {
  return (b[32 * (k / 128) + k % 32] >> (2 * ((k / 32) % 4))) & 3;
}

/// Number j of eight 6-bit scales and minima in 12 bytes (Q4_K, Q5_K).
static inline void bw_scale_and_minimum(const uint8_t *s, int j, int *scale, int *minimum) {
  if (j < 4) {
    *scale = s[j] & 63;
    *minimum = s[j + 4] & 63;
  } else {
    *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    *minimum = (s[j + 4] >> 4) | (s[j] >> 6) << 4;
  }
}

#endif
