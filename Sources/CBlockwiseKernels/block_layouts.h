// What decoding and encoding of block types share.
#ifndef BLOCKWISE_BLOCK_LAYOUTS_H
#define BLOCKWISE_BLOCK_LAYOUTS_H

#include "numbers.h"

/// Values of IQ4_NL and IQ4_XS before their scale, in rising order.
static const int8_t bw_nonlinear4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

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
