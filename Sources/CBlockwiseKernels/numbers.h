// Number formats and elementary functions in plain C. The vector variants repeat these operations lane by lane
// in the same order, so both give the same bits.
#ifndef BLOCKWISE_NUMBERS_H
#define BLOCKWISE_NUMBERS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "CBlockwiseKernels.h"

#pragma STDC FP_CONTRACT OFF

static inline uint32_t bw_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}

static inline float bw_from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

static inline uint16_t bw_load16(const void *p) {
  uint16_t u;
  memcpy(&u, p, 2);
  return u;
}

static inline void bw_store16(void *p, uint16_t u) { memcpy(p, &u, 2); }

static inline float bw_half_to_float(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 31u;
  const uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0) return bw_from_bits(bw_bits((float)mantissa * 0x1p-24f) | sign);
  if (exponent == 31) return bw_from_bits(sign | 0x7f800000u | (mantissa << 13) | (mantissa ? 0x400000u : 0));
  return bw_from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

/// Round to nearest, ties to even; overflow gives infinity.
static inline uint16_t bw_float_to_half(float x) {
  const uint32_t u = bw_bits(x);
  const uint32_t sign = (u >> 16) & 0x8000u;
  uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // The unit in the last place of 0.5 is that of half-precision subnormals, so this addition rounds.
    const float shifted = bw_from_bits(magnitude) + 0.5f;
    return (uint16_t)(sign | (bw_bits(shifted) - 0x3f000000u));
  }
  magnitude += 0xfffu + ((magnitude >> 13) & 1u);
  return (uint16_t)(sign | ((magnitude - 0x38000000u) >> 13));
}

static inline float bw_bfloat_to_float(uint16_t h) { return bw_from_bits((uint32_t)h << 16); }

/// Round to nearest, ties to even.
static inline uint16_t bw_float_to_bfloat(float x) {
  const uint32_t u = bw_bits(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u);
  return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

// exp: x = n·ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial of degree 7, 2^n in two factors so that results
// below the normal range and above the largest float round as they should.
#define BW_EXP_LOWEST (-104.0f)
#define BW_EXP_HIGHEST (89.0f)
#define BW_LOG2_E 1.44269504088896341f
#define BW_LN2_HIGH 0.693145751953125f
#define BW_LN2_LOW 1.42860682030941723212e-6f
#define BW_EXP_C2 0.5f
#define BW_EXP_C3 (1.0f / 6)
#define BW_EXP_C4 (1.0f / 24)
#define BW_EXP_C5 (1.0f / 120)
#define BW_EXP_C6 (1.0f / 720)
#define BW_EXP_C7 (1.0f / 5040)

static inline float bw_exp(float x) {
  if (x != x) return x;
  if (x < BW_EXP_LOWEST) x = BW_EXP_LOWEST;
  if (x > BW_EXP_HIGHEST) x = BW_EXP_HIGHEST;
  const float n = rintf(x * BW_LOG2_E);
  const float r = fmaf(n, -BW_LN2_LOW, fmaf(n, -BW_LN2_HIGH, x));
  float p = BW_EXP_C7;
  p = fmaf(p, r, BW_EXP_C6);
  p = fmaf(p, r, BW_EXP_C5);
  p = fmaf(p, r, BW_EXP_C4);
  p = fmaf(p, r, BW_EXP_C3);
  p = fmaf(p, r, BW_EXP_C2);
  p = fmaf(p, r, 1.0f);
  p = fmaf(p, r, 1.0f);
  const int32_t exponent = (int32_t)n;
  const int32_t half = exponent >> 1;
  p = p * bw_from_bits((uint32_t)(half + 127) << 23);
  return p * bw_from_bits((uint32_t)(exponent - half + 127) << 23);
}

static inline float bw_silu(float x) { return x / (1.0f + bw_exp(-x)); }

// tanh: an odd polynomial near zero (where the quotient of exponentials would cancel), the quotient elsewhere.
#define BW_TANH_SMALL 0.625f
#define BW_TANH_C3 (-3.33332819422e-1f)
#define BW_TANH_C5 1.33314422036e-1f
#define BW_TANH_C7 (-5.37397155531e-2f)
#define BW_TANH_C9 2.06390887954e-2f
#define BW_TANH_C11 (-5.70498872745e-3f)

static inline float bw_tanh(float x) {
  const float magnitude = fabsf(x);
  if (magnitude < BW_TANH_SMALL) {
    const float z = x * x;
    float p = BW_TANH_C11;
    p = fmaf(p, z, BW_TANH_C9);
    p = fmaf(p, z, BW_TANH_C7);
    p = fmaf(p, z, BW_TANH_C5);
    p = fmaf(p, z, BW_TANH_C3);
    return fmaf(p * z, x, x);
  }
  const float e = bw_exp(magnitude * -2.0f);
  return bw_from_bits(bw_bits((1.0f - e) / (1.0f + e)) | (bw_bits(x) & 0x80000000u));
}

static inline float bw_soft_cap(float x, float cap) { return cap * bw_tanh(x / cap); }

/// Adds 16 lanes in the one order every variant uses.
static inline float bw_sum_lanes(const float lanes[16]) {
  float sums[8];
  for (int i = 0; i < 8; i++) sums[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; i++) sums[i] = sums[i] + sums[i + 4];
  for (int i = 0; i < 2; i++) sums[i] = sums[i] + sums[i + 2];
  return sums[0] + sums[1];
}

/// Scale and inverse scale of 32 activations whose largest magnitude has the given bits. A NaN or infinity makes
/// the scale NaN, so that it reaches the result; magnitudes below 1e-30 are taken as zero.
static inline void bw_activation_scale(uint32_t magnitude_bits, float *scale, float *inverse) {
  const float magnitude = bw_from_bits(magnitude_bits);
  if (magnitude_bits >= 0x7f800000u) {
    *scale = NAN;
    *inverse = 0;
  } else if (magnitude < 1e-30f) {
    *scale = 0;
    *inverse = 0;
  } else {
    *scale = magnitude / 127.0f;
    *inverse = 127.0f / magnitude;
  }
}

/// Where the int8 form of a group of a row lies, and the lane of the row in it.
static inline bw_panel_group *bw_panel(bw_panel_group *panels, ptrdiff_t groups, ptrdiff_t row, ptrdiff_t g) {
  return panels + row / BW_PANEL_ROWS * groups + g;
}

/// Everything about a group but its codes.
static inline void bw_describe_group(
    bw_panel_group *group, ptrdiff_t lane, float scale, int32_t first_sum, int32_t second_sum) {
  bw_panel_row *row = group->rows + lane;
  row->scale = scale;
  row->shift = scale * (float)(first_sum + second_sum);
  row->half_shifts[0] = scale * (float)first_sum;
  row->half_shifts[1] = scale * (float)second_sum;
  row->offset = -8 * (first_sum + second_sum);
  row->half_offsets[0] = -8 * first_sum;
  row->half_offsets[1] = -8 * second_sum;
}

/// Half-precision scale and inverse scale of up to 32 cached values.
static inline uint16_t bw_cache_scale(uint32_t magnitude_bits, float *inverse) {
  *inverse = 0;
  if (magnitude_bits >= 0x7f800000u) return 0x7e00u;
  float scale = bw_from_bits(magnitude_bits) / 127.0f;
  if (scale > 65504.0f) scale = 65504.0f;
  const uint16_t half = bw_float_to_half(scale);
  const float rounded = bw_half_to_float(half);
  if (rounded > 0) *inverse = 1.0f / rounded;
  return half;
}

/// round(x · inverse) to nearest even, within ±127. A product that is not finite cannot reach a non-NaN scale.
static inline int8_t bw_quantize(float x, float inverse) {
  float q = x * inverse;
  if (!(q > -127.0f)) q = q == q ? -127.0f : 0.0f;
  if (q > 127.0f) q = 127.0f;
  return (int8_t)rintf(q);
}

/// One value of a cached row.
static inline float bw_cache_element(int32_t format, const uint8_t *row, ptrdiff_t count, ptrdiff_t i) {
  switch (format) {
    case BW_F32: {
      float x;
      memcpy(&x, row + 4 * i, 4);
      return x;
    }
    case BW_F16: return bw_half_to_float(bw_load16(row + 2 * i));
    case BW_BF16: return bw_bfloat_to_float(bw_load16(row + 2 * i));
    default: {
      const ptrdiff_t groups = (count + BW_GROUP - 1) / BW_GROUP;
      // 11 bits of scale times 8 bits: the product is exact.
      return bw_half_to_float(bw_load16(row + 2 * (i / BW_GROUP))) * (float)(int8_t)row[2 * groups + i];
    }
  }
}

#endif
