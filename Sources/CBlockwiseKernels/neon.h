// Shared pieces of the NEON variant: loads of ragged ends and of cached rows, lane sums and the elementary functions of
// numbers.h, four lanes at a time.
#ifndef BLOCKWISE_NEON_H
#define BLOCKWISE_NEON_H

#if defined(__aarch64__)

#include <arm_neon.h>

#include "numbers.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

// Every arm64 processor has what these need; the dot products of int8 are an extension.
#define BW_NEON_INLINE __attribute__((always_inline)) static inline
#if defined(__clang__)
#define BW_NEON_DOT_TARGET __attribute__((target("dotprod")))
#else
#define BW_NEON_DOT_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define BW_NEON_DOT BW_NEON_DOT_TARGET static
#define BW_NEON_DOT_INLINE BW_NEON_DOT_TARGET __attribute__((always_inline)) static inline
#define BW_UNROLL _Pragma("clang loop unroll(full)")
#define BW_ROLLED _Pragma("clang loop unroll(disable)")

/// 16 neighbouring values.
typedef struct {
  float32x4_t part[4];
} bw_16;

BW_NEON_INLINE bw_16 bw_load_16(const float *x) {
  return (bw_16){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}

/// The first `count` (0…15) of 16 values, the rest as given.
BW_NEON_INLINE bw_16 bw_load_part(const float *x, ptrdiff_t count, float rest) {
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = i < count ? x[i] : rest;
  return bw_load_16(values);
}

BW_NEON_INLINE void bw_store_16(float *x, bw_16 v) {
  BW_UNROLL
  for (int p = 0; p < 4; p++) vst1q_f32(x + 4 * p, v.part[p]);
}

BW_NEON_INLINE void bw_store_part(float *x, ptrdiff_t count, bw_16 v) {
  float values[16];
  bw_store_16(values, v);
  memcpy(x, values, (size_t)count * 4);
}

BW_NEON_INLINE bw_16 bw_zero_16(void) {
  const float32x4_t zero = vdupq_n_f32(0);
  return (bw_16){{zero, zero, zero, zero}};
}

/// The order of bw_sum_lanes.
BW_NEON_INLINE float bw_sum_16(bw_16 v) {
  const float32x4_t near = vaddq_f32(v.part[0], v.part[2]), far = vaddq_f32(v.part[1], v.part[3]);
  const float32x4_t four = vaddq_f32(near, far);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

/// Four half-precision numbers.
BW_NEON_INLINE float32x4_t bw_halves_4(const uint8_t *halves) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)halves)));
}

/// Four bfloat16 numbers.
BW_NEON_INLINE float32x4_t bw_bfloats_4(const uint8_t *halves) {
  const uint32x4_t wide = vmovl_u16(vld1_u16((const uint16_t *)(const void *)halves));
  return vreinterpretq_f32_u32(vshlq_n_u32(wide, 16));
}

BW_NEON_INLINE float32x4_t bw_exp_4(float32x4_t x) {
  // Both give NaN when one operand is.
  x = vmaxq_f32(x, vdupq_n_f32(BW_EXP_LOWEST));
  x = vminq_f32(x, vdupq_n_f32(BW_EXP_HIGHEST));
  const float32x4_t n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(BW_LOG2_E)));
  const float32x4_t r =
      vfmaq_f32(vfmaq_f32(x, n, vdupq_n_f32(-BW_LN2_HIGH)), n, vdupq_n_f32(-BW_LN2_LOW));
  float32x4_t p = vdupq_n_f32(BW_EXP_C7);
  p = vfmaq_f32(vdupq_n_f32(BW_EXP_C6), p, r);
  p = vfmaq_f32(vdupq_n_f32(BW_EXP_C5), p, r);
  p = vfmaq_f32(vdupq_n_f32(BW_EXP_C4), p, r);
  p = vfmaq_f32(vdupq_n_f32(BW_EXP_C3), p, r);
  p = vfmaq_f32(vdupq_n_f32(BW_EXP_C2), p, r);
  p = vfmaq_f32(vdupq_n_f32(1), p, r);
  p = vfmaq_f32(vdupq_n_f32(1), p, r);
  const int32x4_t exponent = vcvtq_s32_f32(n);
  const int32x4_t half = vshrq_n_s32(exponent, 1);
  const int32x4_t bias = vdupq_n_s32(127);
  const int32x4_t rest = vsubq_s32(exponent, half);
  p = vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
  return vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}

BW_NEON_INLINE float32x4_t bw_soft_cap_4(float32x4_t x, float32x4_t cap) {
  const float32x4_t one = vdupq_n_f32(1);
  x = vdivq_f32(x, cap);
  const float32x4_t magnitude = vabsq_f32(x);
  const float32x4_t z = vmulq_f32(x, x);
  float32x4_t p = vdupq_n_f32(BW_TANH_C11);
  p = vfmaq_f32(vdupq_n_f32(BW_TANH_C9), p, z);
  p = vfmaq_f32(vdupq_n_f32(BW_TANH_C7), p, z);
  p = vfmaq_f32(vdupq_n_f32(BW_TANH_C5), p, z);
  p = vfmaq_f32(vdupq_n_f32(BW_TANH_C3), p, z);
  const float32x4_t small = vfmaq_f32(x, vmulq_f32(p, z), x);
  const float32x4_t e = bw_exp_4(vmulq_f32(magnitude, vdupq_n_f32(-2)));
  const float32x4_t quotient = vdivq_f32(vsubq_f32(one, e), vaddq_f32(one, e));
  const float32x4_t large = vbslq_f32(vdupq_n_u32(0x80000000u), x, quotient);
  const uint32x4_t is_small = vcltq_f32(magnitude, vdupq_n_f32(BW_TANH_SMALL));
  return vmulq_f32(cap, vbslq_f32(is_small, small, large));
}

/// 16 values of a cached row from element `start`, which lies in whole rows of 16.
BW_NEON_INLINE bw_16 bw_load_cached(int32_t format, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  bw_16 v;
  switch (format) {
    case BW_F32: return bw_load_16((const float *)(const void *)row + start);
    case BW_F16:
      BW_UNROLL
      for (int p = 0; p < 4; p++) v.part[p] = bw_halves_4(row + 2 * (start + 4 * p));
      return v;
    case BW_BF16:
      BW_UNROLL
      for (int p = 0; p < 4; p++) v.part[p] = bw_bfloats_4(row + 2 * (start + 4 * p));
      return v;
    default: {
      const ptrdiff_t groups = (dimension + BW_GROUP - 1) / BW_GROUP;
      const uint16x4_t half = vdup_n_u16(bw_load16(row + 2 * (start / BW_GROUP)));
      const float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u16(half));
      const int8x16_t bytes = vld1q_s8((const int8_t *)row + 2 * groups + start);
      const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
      v.part[0] = vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))));
      v.part[1] = vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))));
      v.part[2] = vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))));
      v.part[3] = vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))));
      return v;
    }
  }
}

/// Tiles [first_tile, end_tile) of a product; in neon_matmul.c.
void bw_neon_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
/// Whether it computes a format with vectors.
int32_t bw_neon_has_product(int32_t format);
/// In neon_attention.c.
void bw_neon_attend(const bw_attention *job);

#endif
#endif
