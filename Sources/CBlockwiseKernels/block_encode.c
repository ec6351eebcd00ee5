// Rounding of rows to the formats of files.
//
// The plain types (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0) without importance round as their reference does, to the byte. All
// else searches: it minimises the sum of importance · (x − rounded x)² of a block over its scales and codes, by trying
// scales around the one that just covers the block, solving for the best scale of the codes that each of them gives
// (weighted least squares), and repeating that from the best.
#include "block_layouts.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 8, SUPER_BLOCK = 256 };

static float sum_lanes(const float v[LANES]) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// Round to nearest of a number below 2^22, in a form that compilers turn into vector instructions.
static inline float nearest(float v) { return (v + 12582912.0f) - 12582912.0f; }

// NaN, which arises where a scale is beyond half precision and the row is refused, gives the lower end.
static inline float clamp(float v, float low, float high) {
  const float above = v > low ? v : low;
  return above < high ? above : high;
}

static inline float inverse_of(float scale) {
  const float inverse = 1.0f / scale;
  // Of a subnormal scale, which half precision rounds to zero.
  return inverse - inverse == 0 ? inverse : 0;
}

// Scale as it will be read, and its bits.
static inline float rounded_scale(float scale, uint8_t *out) {
  const uint16_t half = bw_float_to_half(scale);
  bw_store16(out, half);
  return bw_half_to_float(half);
}

static int is_finite_half(const uint8_t *p) { return (bw_load16(p) & 0x7c00u) != 0x7c00u; }

// MARK: What codes stand for

// Integers low…high, or the table of IQ4_NL.
typedef struct levels {
  float low, high;
  int is_table;
} levels;

static const levels of_q4_0 = {-8, 7, 0}, of_q5_0 = {-16, 15, 0}, of_q6_k = {-32, 31, 0}, of_iq4_nl = {-127, 113, 1};

static inline float nearest_level(levels l, float v) {
  if (!l.is_table) return nearest(clamp(v, l.low, l.high));
  // A step for every midpoint between neighbours of the table that lies below, written out so that it can become
  // vector instructions.
  float level = -127;
  level += v > -115.5f ? 23.0f : 0;
  level += v > -93.5f ? 21.0f : 0;
  level += v > -74.0f ? 18.0f : 0;
  level += v > -57.0f ? 16.0f : 0;
  level += v > -42.0f ? 14.0f : 0;
  level += v > -28.5f ? 13.0f : 0;
  level += v > -16.0f ? 12.0f : 0;
  level += v > -4.5f ? 11.0f : 0;
  level += v > 7.0f ? 12.0f : 0;
  level += v > 19.0f ? 12.0f : 0;
  level += v > 31.5f ? 13.0f : 0;
  level += v > 45.5f ? 15.0f : 0;
  level += v > 61.0f ? 16.0f : 0;
  level += v > 79.0f ? 20.0f : 0;
  level += v > 101.0f ? 24.0f : 0;
  return level;
}

static int table_code(float v) {
  int code = 0;
  for (int k = 0; k < 15; k++) code += v > 0.5f * (float)(bw_nonlinear4[k] + bw_nonlinear4[k + 1]);
  return code;
}

// MARK: x ≈ scale · level

// Weighted squared error of a scale with the best codes.
static inline float error_of_scale(int n, const float *x, const float *w, levels l, float scale) {
  const float inverse = inverse_of(scale);
  float sums[LANES] = {0};
  for (int i = 0; i < n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      const float e = scale * nearest_level(l, x[i + j] * inverse) - x[i + j];
      sums[j] += w[i + j] * (e * e);
    }
  return sum_lanes(sums);
}

// Products of the levels that an inverse scale gives: with x, and with themselves.
static inline void project(
    int n, const float *x, const float *w, levels l, float inverse, float *with_x, float *with_level) {
  float a[LANES] = {0}, b[LANES] = {0};
  for (int i = 0; i < n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      const float level = nearest_level(l, x[i + j] * inverse), weighted = w[i + j] * level;
      a[j] += weighted * x[i + j];
      b[j] += weighted * level;
    }
  *with_x = sum_lanes(a);
  *with_level = sum_lanes(b);
}

static inline __attribute__((always_inline)) float fit_scale(int n, const float *x, const float *w, levels l) {
  float largest = 0;
  for (int i = 0; i < n; i++)
    if (fabsf(x[i]) > fabsf(largest)) largest = x[i];
  if (largest == 0) return 0;
  float best = 0, best_gain = 0, with_x, with_level;
  // The largest number meets the lowest or the highest level, or lies a little inside or outside.
  for (int end = 0; end < 2; end++)
    for (int step = -8; step <= 16; step++) {
      const float anchor = end ? l.high : l.low, unit = l.is_table ? 2.0f : 0.125f;
      const float inverse = (anchor + (anchor < 0 ? -unit : unit) * (float)step) / largest;
      if (!(inverse - inverse == 0)) continue;
      project(n, x, w, l, inverse, &with_x, &with_level);
      if (with_level > 0 && with_x * with_x > best_gain * with_level) {
        best_gain = with_x * with_x / with_level;
        best = with_x / with_level;
      }
    }
  for (int round = 0; round < 8 && best != 0; round++) {
    project(n, x, w, l, inverse_of(best), &with_x, &with_level);
    if (!(with_level > 0 && with_x * with_x > best_gain * with_level)) break;
    best_gain = with_x * with_x / with_level;
    best = with_x / with_level;
  }
  return best;
}

// MARK: x ≈ scale · code + minimum, codes 0…highest

typedef struct line {
  float scale, minimum;
} line;

static inline float error_of_line(int n, const float *x, const float *w, float highest, line l) {
  const float inverse = inverse_of(l.scale);
  float sums[LANES] = {0};
  for (int i = 0; i < n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      const float q = nearest(clamp((x[i + j] - l.minimum) * inverse, 0, highest));
      const float e = (l.scale * q + l.minimum) - x[i + j];
      sums[j] += w[i + j] * (e * e);
    }
  return sum_lanes(sums);
}

// The least-squares line through the codes that a line gives. `sum_w` and `sum_x` are weighted sums of 1 and x.
static inline line solved(
    int n, const float *x, const float *w, float highest, int is_not_positive, float sum_w, float sum_x, line from) {
  const float inverse = inverse_of(from.scale);
  float a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0};
  for (int i = 0; i < n; i += LANES)
    for (int j = 0; j < LANES; j++) {
      const float q = nearest(clamp((x[i + j] - from.minimum) * inverse, 0, highest)), weighted = w[i + j] * q;
      a[j] += weighted;
      b[j] += weighted * q;
      c[j] += weighted * x[i + j];
    }
  const float q1 = sum_lanes(a), q2 = sum_lanes(b), qx = sum_lanes(c);
  const float determinant = sum_w * q2 - q1 * q1;
  line to = from;
  if (determinant > 0) {
    to.scale = (sum_w * qx - q1 * sum_x) / determinant;
    to.minimum = (q2 * sum_x - q1 * qx) / determinant;
  }
  if (is_not_positive && to.minimum > 0) {
    to.minimum = 0;
    if (q2 > 0) to.scale = qx / q2;
  }
  return to;
}

// `is_not_positive`: whether the minimum must not be above zero.
static inline __attribute__((always_inline)) line fit_line(
    int n, const float *x, const float *w, float highest, int is_not_positive) {
  float low = x[0], high = x[0], sums_w[LANES] = {0}, sums_x[LANES] = {0};
  for (int i = 0; i < n; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sums_w[i % LANES] += w[i];
    sums_x[i % LANES] += w[i] * x[i];
  }
  const float sum_w = sum_lanes(sums_w), sum_x = sum_lanes(sums_x);
  if (is_not_positive && low > 0) low = 0;
  if (is_not_positive && high < low) high = low;
  line best = {0, low};
  if (!(high > low)) return best;
  float best_error = INFINITY;
  for (int step = -8; step <= 12; step++) {
    const line start = {(high - low) / (highest + 0.125f * (float)step), low};
    if (!(start.scale > 0) || inverse_of(start.scale) == 0) continue;
    const line candidate = solved(n, x, w, highest, is_not_positive, sum_w, sum_x, start);
    if (!(candidate.scale > 0)) continue;
    const float error = error_of_line(n, x, w, highest, candidate);
    if (error < best_error) {
      best_error = error;
      best = candidate;
    }
  }
  for (int round = 0; round < 8 && best.scale > 0; round++) {
    const line candidate = solved(n, x, w, highest, is_not_positive, sum_w, sum_x, best);
    const float error = error_of_line(n, x, w, highest, candidate);
    if (!(candidate.scale > 0 && error < best_error)) break;
    best_error = error;
    best = candidate;
  }
  return best;
}

// MARK: Blocks of 32

// Codes of 4 or 5 bits in 16 bytes of nibbles and, for 5 bits, four bytes of high bits before them.
static void put_codes(const uint8_t *codes, int has_fifth_bit, uint8_t *out) {
  uint32_t high = 0;
  uint8_t *low = has_fifth_bit ? out + 4 : out;
  for (int i = 0; i < 16; i++) {
    low[i] = (uint8_t)((codes[i] & 15) | (codes[i + 16] & 15) << 4);
    high |= (uint32_t)(codes[i] >> 4) << i | (uint32_t)(codes[i + 16] >> 4) << (i + 16);
  }
  if (has_fifth_bit) memcpy(out, &high, 4);
}

// Q4_0, Q5_0: `half` is the size of the lowest level.
static void encode_centred(const float *x, const float *w, int has_fifth_bit, uint8_t *out) {
  const float half = has_fifth_bit ? 16 : 8;
  uint8_t codes[32];
  if (w) {
    const levels l = has_fifth_bit ? of_q5_0 : of_q4_0;
    const float fitted = has_fifth_bit ? fit_scale(32, x, w, of_q5_0) : fit_scale(32, x, w, of_q4_0);
    const float inverse = inverse_of(rounded_scale(fitted, out));
    for (int i = 0; i < 32; i++) codes[i] = (uint8_t)(int)(nearest_level(l, x[i] * inverse) + half);
  } else {
    float largest = 0;
    for (int i = 0; i < 32; i++)
      if (fabsf(x[i]) > fabsf(largest)) largest = x[i];
    const float scale = largest / -half, inverse = inverse_of(scale);
    rounded_scale(scale, out);
    for (int i = 0; i < 32; i++) codes[i] = (uint8_t)(int)clamp(x[i] * inverse + (half + 0.5f), 0, 2 * half - 1);
  }
  put_codes(codes, has_fifth_bit, out + 2);
}

// Q4_1, Q5_1.
static void encode_line(const float *x, const float *w, int has_fifth_bit, uint8_t *out) {
  const float highest = has_fifth_bit ? 31 : 15;
  uint8_t codes[32];
  if (w) {
    const line fitted = has_fifth_bit ? fit_line(32, x, w, 31, 0) : fit_line(32, x, w, 15, 0);
    const float inverse = inverse_of(rounded_scale(fitted.scale, out));
    const float minimum = rounded_scale(fitted.minimum, out + 2);
    for (int i = 0; i < 32; i++)
      codes[i] = (uint8_t)(int)nearest(clamp((x[i] - minimum) * inverse, 0, highest));
  } else {
    float low = x[0], high = x[0];
    for (int i = 1; i < 32; i++) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
    }
    const float scale = (high - low) / highest, inverse = inverse_of(scale);
    rounded_scale(scale, out);
    rounded_scale(low, out + 2);
    for (int i = 0; i < 32; i++) codes[i] = (uint8_t)(int)clamp((x[i] - low) * inverse + 0.5f, 0, highest);
  }
  put_codes(codes, has_fifth_bit, out + 4);
}

static void encode_q8_0(const float *x, uint8_t *out) {
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  const float scale = largest / 127.0f, inverse = inverse_of(scale);
  rounded_scale(scale, out);
  for (int i = 0; i < 32; i++) out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

static void encode_iq4_nl(const float *x, const float *w, uint8_t *out) {
  const float inverse = inverse_of(rounded_scale(fit_scale(32, x, w, of_iq4_nl), out));
  uint8_t codes[32];
  for (int i = 0; i < 32; i++) codes[i] = (uint8_t)table_code(x[i] * inverse);
  put_codes(codes, 0, out + 2);
}

// MARK: Blocks of 256

// Solves [aa ab; ab bb]·(u, v) = (ax, bx) for u > 0, v >= 0; returns 0 if that has no use.
static int solve_pair(double aa, double ab, double bb, double ax, double bx, float *u, float *v) {
  const double determinant = aa * bb - ab * ab;
  if (determinant > 1e-12 * aa * bb) {
    *u = (float)((ax * bb - bx * ab) / determinant);
    *v = (float)((bx * aa - ax * ab) / determinant);
    if (*u > 0 && *v >= 0) return 1;
  }
  if (!(aa > 0)) return 0;
  *u = (float)(ax / aa);
  *v = 0;
  return *u > 0;
}

typedef struct q45_k {
  float scale, minimum;  // as they are read back
  uint8_t scales[8], minima[8];
} q45_k;

static line part_of(const q45_k *b, int j) {
  return (line){b->scale * (float)b->scales[j], -(b->minimum * (float)b->minima[j])};
}

// The best 6-bit scale and minimum of every part, near those given; returns the error of the block.
static inline __attribute__((always_inline)) float choose_parts(
    const float *x, const float *w, float highest, q45_k *b) {
  float total = 0;
  for (int j = 0; j < 8; j++) {
    const int scale = b->scales[j], minimum = b->minima[j];
    float best = INFINITY;
    for (int s = scale > 0 ? scale - 1 : 0; s <= scale + 1 && s < 64; s++)
      for (int m = minimum > 0 ? minimum - 1 : 0; m <= minimum + 1 && m < 64; m++) {
        const line l = {b->scale * (float)s, -(b->minimum * (float)m)};
        const float error = error_of_line(32, x + 32 * j, w + 32 * j, highest, l);
        if (error < best) {
          best = error;
          b->scales[j] = (uint8_t)s;
          b->minima[j] = (uint8_t)m;
        }
      }
    total += best;
  }
  return total;
}

// Least squares for the two scales of the block with everything else fixed; returns 0 if it has no use.
static inline __attribute__((always_inline)) int solve_block(
    const float *x, const float *w, float highest, const q45_k *b, float *scale, float *minimum) {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (int j = 0; j < 8; j++) {
    const line l = part_of(b, j);
    const float inverse = inverse_of(l.scale), s = (float)b->scales[j], m = -(float)b->minima[j];
    for (int i = 32 * j; i < 32 * j + 32; i++) {
      const float a = s * nearest(clamp((x[i] - l.minimum) * inverse, 0, highest));
      aa += w[i] * a * a;
      ab += w[i] * a * m;
      bb += w[i] * m * m;
      ax += w[i] * a * x[i];
      bx += w[i] * m * x[i];
    }
  }
  return solve_pair(aa, ab, bb, ax, bx, scale, minimum);
}

static inline __attribute__((always_inline)) void encode_q45_k_to(
    const float *x, const float *w, int has_fifth_bit, uint8_t *out) {
  const float highest = has_fifth_bit ? 31 : 15;
  line lines[8];
  float largest_scale = 0, largest_minimum = 0;
  for (int j = 0; j < 8; j++) {
    lines[j] = fit_line(32, x + 32 * j, w + 32 * j, highest, 1);
    largest_scale = lines[j].scale > largest_scale ? lines[j].scale : largest_scale;
    largest_minimum = -lines[j].minimum > largest_minimum ? -lines[j].minimum : largest_minimum;
  }
  uint8_t header[4];
  q45_k best = {.scale = rounded_scale(largest_scale / 63.0f, header)};
  best.minimum = rounded_scale(largest_minimum / 63.0f, header + 2);
  memset(out, 0, has_fifth_bit ? 176 : 144);
  memcpy(out, header, 4);
  if (!is_finite_half(header) || !is_finite_half(header + 2)) return;
  for (int j = 0; j < 8; j++) {
    best.scales[j] = (uint8_t)(int)nearest(clamp(lines[j].scale * inverse_of(best.scale), 0, 63));
    best.minima[j] = (uint8_t)(int)nearest(clamp(-lines[j].minimum * inverse_of(best.minimum), 0, 63));
  }
  float best_error = choose_parts(x, w, highest, &best);
  for (int round = 0; round < 4; round++) {
    q45_k next = best;
    uint8_t next_header[4];
    float scale, minimum;
    if (!solve_block(x, w, highest, &best, &scale, &minimum)) break;
    next.scale = rounded_scale(scale, next_header);
    next.minimum = rounded_scale(minimum, next_header + 2);
    if (!is_finite_half(next_header) || !is_finite_half(next_header + 2)) break;
    const float error = choose_parts(x, w, highest, &next);
    if (!(error < best_error)) break;
    best_error = error;
    best = next;
    memcpy(header, next_header, 4);
  }
  memcpy(out, header, 4);
  uint8_t *s = out + 4, *high = out + 16, *low = has_fifth_bit ? out + 48 : out + 16;
  for (int j = 0; j < 4; j++) {
    s[j] = (uint8_t)(best.scales[j] | (best.scales[j + 4] >> 4) << 6);
    s[j + 4] = (uint8_t)(best.minima[j] | (best.minima[j + 4] >> 4) << 6);
    s[j + 8] = (uint8_t)((best.scales[j + 4] & 15) | (best.minima[j + 4] & 15) << 4);
  }
  for (int j = 0; j < 8; j++) {
    const line l = part_of(&best, j);
    const float inverse = inverse_of(l.scale);
    for (int i = 0; i < 32; i++) {
      const int q = (int)nearest(clamp((x[32 * j + i] - l.minimum) * inverse, 0, highest));
      low[32 * (j / 2) + i] |= (uint8_t)((q & 15) << (4 * (j % 2)));
      if (has_fifth_bit) high[i] |= (uint8_t)((q >> 4) << j);
    }
  }
}

static void encode_q6_k(const float *x, const float *w, uint8_t *out) {
  float scales[16], largest = 0;
  for (int j = 0; j < 16; j++) {
    scales[j] = fit_scale(16, x + 16 * j, w + 16 * j, of_q6_k);
    if (fabsf(scales[j]) > fabsf(largest)) largest = scales[j];
  }
  memset(out, 0, 210);
  if (largest == 0) return;
  // The largest scale becomes −128, the end of int8 that reaches further.
  float scale = rounded_scale(largest / -128.0f, out + 208), best_error = INFINITY;
  if (!is_finite_half(out + 208)) return;
  int8_t best[16] = {0};
  for (int round = 0; round < 4; round++) {
    const float inverse = inverse_of(scale);
    int8_t parts[16];
    float error = 0;
    double with_x = 0, with_level = 0;
    for (int j = 0; j < 16; j++) {
      const float *xj = x + 16 * j, *wj = w + 16 * j;
      const int near = (int)nearest(clamp((round == 0 ? scales[j] * inverse : (float)best[j]), -128, 127));
      float part_error = INFINITY;
      for (int s = near > -128 ? near - 1 : near; s <= near + 1 && s < 128; s++) {
        const float e = error_of_scale(16, xj, wj, of_q6_k, scale * (float)s);
        if (e < part_error) {
          part_error = e;
          parts[j] = (int8_t)s;
        }
      }
      error += part_error;
      const float part_inverse = inverse_of(scale * (float)parts[j]);
      for (int i = 0; i < 16; i++) {
        const float a = (float)parts[j] * nearest_level(of_q6_k, xj[i] * part_inverse);
        with_x += wj[i] * a * xj[i];
        with_level += wj[i] * a * a;
      }
    }
    if (!(error < best_error)) break;
    best_error = error;
    memcpy(best, parts, sizeof best);
    bw_store16(out + 208, bw_float_to_half(scale));
    if (!(with_level > 0)) break;
    uint8_t next[2];
    scale = rounded_scale((float)(with_x / with_level), next);
    if (!is_finite_half(next)) break;
  }
  scale = bw_half_to_float(bw_load16(out + 208));
  for (int j = 0; j < 16; j++) {
    out[192 + j] = (uint8_t)best[j];
    const float inverse = inverse_of(scale * (float)best[j]);
    for (int i = 0; i < 16; i++) {
      const int k = 16 * j + i, half = k / 128, quarter = (k / 32) % 4;
      const int q = (int)(nearest_level(of_q6_k, x[k] * inverse) + 32);
      out[64 * half + 32 * (quarter % 2) + k % 32] |= (uint8_t)((q & 15) << (4 * (quarter / 2)));
      out[128 + 32 * half + k % 32] |= (uint8_t)((q >> 4) << (2 * quarter));
    }
  }
}

// MARK: Rows

// Encodes one block; returns whether its scales are within half precision.
static int encode_block(int32_t type, const float *x, const float *w, uint8_t *out) {
  switch (type) {
    case BW_Q4_0: encode_centred(x, w, 0, out); return is_finite_half(out);
    case BW_Q5_0: encode_centred(x, w, 1, out); return is_finite_half(out);
    case BW_Q4_1: encode_line(x, w, 0, out); return is_finite_half(out) && is_finite_half(out + 2);
    case BW_Q5_1: encode_line(x, w, 1, out); return is_finite_half(out) && is_finite_half(out + 2);
    case BW_Q8_0: encode_q8_0(x, out); return is_finite_half(out);
    case BW_IQ4_NL: encode_iq4_nl(x, w, out); return is_finite_half(out);
    case BW_Q4_K: encode_q45_k_to(x, w, 0, out); return is_finite_half(out) && is_finite_half(out + 2);
    case BW_Q5_K: encode_q45_k_to(x, w, 1, out); return is_finite_half(out) && is_finite_half(out + 2);
    default: encode_q6_k(x, w, out); return is_finite_half(out + 208);
  }
}

static int encode_floats(int32_t format, const float *x, ptrdiff_t count, uint8_t *out) {
  int is_finite = 1;
  for (ptrdiff_t i = 0; i < count; i++) {
    uint16_t half;
    switch (format) {
      case BW_F16:
        half = bw_float_to_half(x[i]);
        is_finite &= (half & 0x7c00u) != 0x7c00u;
        bw_store16(out + 2 * i, half);
        break;
      case BW_BF16:
        half = bw_float_to_bfloat(x[i]);
        is_finite &= (half & 0x7f80u) != 0x7f80u;
        bw_store16(out + 2 * i, half);
        break;
      default: memcpy(out + 4 * i, x + i, 4); break;
    }
  }
  return is_finite;
}

int32_t bw_encode_row(int32_t type, const float *x, ptrdiff_t count, const float *importance, void *out) {
  for (ptrdiff_t i = 0; i < count; i++)
    if ((bw_bits(x[i]) & 0x7f800000u) == 0x7f800000u) return 1;
  if (type == BW_F32 || type == BW_F16 || type == BW_BF16) return encode_floats(type, x, count, out) ? 0 : 2;
  const int is_simple = type == BW_Q4_0 || type == BW_Q8_0;
  const ptrdiff_t elements = is_simple ? 32 : bw_block_elements(type);
  const ptrdiff_t bytes = type == BW_Q4_0 ? 18 : type == BW_Q8_0 ? 34 : bw_block_bytes(type);
  // These types have a rounding of their own where nothing weighs their columns.
  const int has_reference = is_simple || type == BW_Q4_1 || type == BW_Q5_0 || type == BW_Q5_1;
  // Beyond what the largest scale reaches in any of these types; below it no sum of a search overflows.
  for (ptrdiff_t i = 0; i < count; i++)
    if (fabsf(x[i]) > 3e8f) return 2;
  float weights[SUPER_BLOCK];
  int is_finite = 1;
  for (ptrdiff_t block = 0; block < count / elements; block++) {
    float largest = 0;
    for (ptrdiff_t i = 0; importance && i < elements; i++)
      if (importance[block * elements + i] > largest) largest = importance[block * elements + i];
    // Columns that are all without importance weigh the same; beside others they weigh a little, so that they keep
    // their values as far as that costs the others nothing.
    for (ptrdiff_t i = 0; i < elements; i++)
      weights[i] = largest > 0 ? clamp(importance[block * elements + i] / largest, 1e-6f, 1) : 1;
    is_finite &= encode_block(
        type, x + block * elements, has_reference && !importance ? NULL : weights, (uint8_t *)out + block * bytes);
  }
  return is_finite ? 0 : 2;
}
