// Kernels of single rows: every length up to some, strides, in place, and sweeps through the formats' roundings.
#include <math.h>
#include <string.h>

#include "harness.h"

static void compare_quantize_rows(void) {
  const bw_kernels *scalar = bw_scalar_kernels();
  const ptrdiff_t rows = between(1, 19), groups = between(1, 9), x_stride = 32 * groups + between(0, 5);
  const ptrdiff_t cut_row = between(0, (int)rows), cut_group = between(0, (int)groups);
  describe("quantize_rows, %td rows, %td groups", rows, groups);
  float *x = guarded((size_t)((rows - 1) * x_stride + 32 * groups) * 4);
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t g = 0; g < groups; g++) {
      fill(x + r * x_stride + 32 * g, 32, (distribution)between(0, DISTRIBUTIONS - 1));
      // A few infinities would make every group of a row unusable.
      if (one_in(2)) fill(x + r * x_stride + 32 * g, 32, any_finite());
      if (one_in(9)) memset(x + r * x_stride + 32 * g, 0, 128);
    }
  }
  const ptrdiff_t panel_groups = (rows + BW_PANEL_ROWS - 1) / BW_PANEL_ROWS * groups;
  bw_panel_group *panels[2];
  for (int v = -1; v < variant_count; v++) {
    const int i = v >= 0;
    panels[i] = guarded((size_t)panel_groups * sizeof(bw_panel_group));
    const bw_kernels *kernels = v < 0 ? scalar : variants[v].kernels;
    // In pieces, as threads share it.
    kernels->quantize_rows(x, x_stride, 0, cut_row, 0, cut_group, groups, panels[i]);
    kernels->quantize_rows(x, x_stride, 0, cut_row, cut_group, groups, groups, panels[i]);
    kernels->quantize_rows(x, x_stride, cut_row, rows, 0, groups, groups, panels[i]);
    for (ptrdiff_t g = 0; g < panel_groups; g++) {
      for (int lane = 0; lane < BW_PANEL_ROWS; lane++) {
        const bw_panel_row *expected = panels[0][g].rows + lane, *found = panels[i][g].rows + lane;
        // Four floats and three integers lie behind the codes.
        const size_t floats = sizeof(float[4]), integers = sizeof(int32_t[3]);
        if (v < 0) {
          digest(BYTES, expected->q, sizeof expected->q);
          digest(FLOATS, &expected->scale, floats);
          digest(BYTES, &expected->offset, integers);
          continue;
        }
        const char *name = variants[v].name;
        expect_same(name, BYTES, expected->q, found->q, sizeof expected->q);
        expect_same(name, FLOATS, &expected->scale, &found->scale, floats);
        expect_same(name, BYTES, &expected->offset, &found->offset, integers);
      }
    }
  }
  release_all();
}

static void compare_norms(ptrdiff_t columns, int is_layer_norm) {
  const ptrdiff_t rows = between(1, 4), x_stride = columns + between(0, 5);
  const int in_place = one_in(2), has_weight = one_in(2), has_bias = one_in(2);
  const ptrdiff_t y_stride = in_place ? x_stride : columns + between(0, 5);
  const float epsilon = one_in(2) ? 1e-6f : 1e-5f;
  describe(
      "%s, %td rows, %td columns%s%s%s", is_layer_norm ? "layer_norm" : "rms_norm", rows, columns,
      has_weight ? ", weight" : "", is_layer_norm && has_bias ? ", bias" : "", in_place ? ", in place" : "");
  const size_t x_bytes = (size_t)((rows - 1) * x_stride + columns) * 4;
  const size_t y_bytes = (size_t)((rows - 1) * y_stride + columns) * 4;
  float *x = guarded(x_bytes), *weight = guarded((size_t)columns * 4), *bias = guarded((size_t)columns * 4);
  for (ptrdiff_t r = 0; r < rows; r++) fill(x + r * x_stride, columns, one_in(12) ? SPECIAL : any_finite());
  fill(weight, columns, PLAIN);
  fill(bias, columns, PLAIN);
  float *y[2];
  for (int v = -1; v < variant_count; v++) {
    const bw_kernels *kernels = v < 0 ? bw_scalar_kernels() : variants[v].kernels;
    float *out = y[v >= 0] = guarded(y_bytes);
    if (in_place) memcpy(out, x, y_bytes);
    const float *from = in_place ? out : x, *w = has_weight ? weight : NULL, *b = has_bias ? bias : NULL;
    if (is_layer_norm) {
      kernels->layer_norm(from, x_stride, w, b, epsilon, rows, columns, out, y_stride);
    } else {
      kernels->rms_norm(from, x_stride, w, epsilon, rows, columns, out, y_stride);
    }
    if (v < 0) {
      digest(FLOATS, out, y_bytes);
    } else {
      expect_same(variants[v].name, FLOATS, y[0], y[1], y_bytes);
    }
  }
  release_all();
}

static void compare_rotation(ptrdiff_t pairs, int as_pairs) {
  const ptrdiff_t heads = between(1, 4), stride = 2 * pairs + between(0, 9);
  describe("%s, %td heads, %td pairs", as_pairs ? "rotate_pairs" : "rotate_halves", heads, pairs);
  const size_t bytes = (size_t)((heads - 1) * stride + 2 * pairs) * 4;
  float *x = guarded(bytes), *cosines = guarded((size_t)pairs * 4), *sines = guarded((size_t)pairs * 4);
  fill(x, (ptrdiff_t)bytes / 4, any_finite());
  fill(cosines, pairs, PLAIN);
  fill(sines, pairs, PLAIN);
  float *y[2];
  for (int v = -1; v < variant_count; v++) {
    const bw_kernels *kernels = v < 0 ? bw_scalar_kernels() : variants[v].kernels;
    float *out = y[v >= 0] = guarded(bytes);
    memcpy(out, x, bytes);
    (as_pairs ? kernels->rotate_pairs : kernels->rotate_halves)(out, stride, heads, pairs, cosines, sines);
    if (v < 0) {
      digest(FLOATS, out, bytes);
    } else {
      expect_same(variants[v].name, FLOATS, y[0], y[1], bytes);
    }
  }
  release_all();
}

typedef enum { SILU, ADD, SCALE, SOFT_CAP, EXPONENTIALS, ELEMENTWISE } operation;

static void apply(const bw_kernels *k, operation op, const float *a, const float *b, float *out, ptrdiff_t count) {
  switch (op) {
    case SILU: k->silu_multiply(a, b, out, count); break;
    case ADD: k->add(a, b, out, count); break;
    case SCALE: k->scale(a, 0.37f, out, count); break;
    case SOFT_CAP: k->soft_cap(a, 7.5f, out, count); break;
    default: k->exponentials(a, 0.25f, 1.125f, out, count); break;
  }
}

static void compare_elementwise(operation op, const float *a, const float *b, ptrdiff_t count, int in_place) {
  static const char *const names[] = {"silu_multiply", "add", "scale", "soft_cap", "exponentials"};
  describe("%s, %td elements%s", names[op], count, in_place ? ", in place" : "");
  const size_t bytes = (size_t)count * 4;
  float *y[2];
  for (int v = -1; v < variant_count; v++) {
    float *out = y[v >= 0] = guarded(bytes);
    if (in_place) memcpy(out, a, bytes);
    apply(v < 0 ? bw_scalar_kernels() : variants[v].kernels, op, in_place ? out : a, b, out, count);
    if (v < 0) {
      digest(FLOATS, out, bytes);
    } else {
      expect_same(variants[v].name, FLOATS, y[0], y[1], bytes);
    }
  }
}

static void compare_short_rows(operation op, ptrdiff_t count) {
  float *a = guarded((size_t)count * 4), *b = guarded((size_t)count * 4);
  fill(a, count, (distribution)between(0, DISTRIBUTIONS - 1));
  fill(b, count, any_finite());
  compare_elementwise(op, a, b, count, one_in(2));
  release_all();
}

/// Everything exp and tanh can tell apart, by steps.
static void compare_sweep(operation op, float lowest, float step, ptrdiff_t count) {
  float *a = guarded((size_t)count * 4), *b = guarded((size_t)count * 4);
  for (ptrdiff_t i = 0; i < count; i++) a[i] = lowest + step * ((float)i + uniform(0.5f));
  fill(b, count, PLAIN);
  compare_elementwise(op, a, b, count, 0);
  release_all();
}

static const int32_t cache_formats[] = {BW_F32, BW_F16, BW_BF16, BW_Q8_0};

static size_t cache_bytes(int32_t format, ptrdiff_t count) {
  if (format == BW_F32) return (size_t)count * 4;
  if (format != BW_Q8_0) return (size_t)count * 2;
  return (size_t)(2 * ((count + 31) / 32) + (count + 1) / 2 * 2);
}

static element cache_element(int32_t format) {
  return format == BW_F32 ? FLOATS : format == BW_F16 ? HALVES : format == BW_BF16 ? BFLOATS : BYTES;
}

static void compare_encoded(int32_t format, const float *x, ptrdiff_t count) {
  describe("encode_row and decode_row, format %d, %td elements", format, count);
  const size_t bytes = cache_bytes(format, count);
  void *rows[2];
  float *numbers[2];
  for (int v = -1; v < variant_count; v++) {
    const bw_kernels *kernels = v < 0 ? bw_scalar_kernels() : variants[v].kernels;
    void *row = rows[v >= 0] = guarded(bytes);
    float *out = numbers[v >= 0] = guarded((size_t)count * 4);
    kernels->encode_row(format, x, count, row);
    kernels->decode_row(format, rows[0], count, out);
    if (v < 0) {
      digest(cache_element(format), row, bytes);
      digest(FLOATS, out, (size_t)count * 4);
    } else {
      expect_same(variants[v].name, cache_element(format), rows[0], rows[1], bytes);
      expect_same(variants[v].name, FLOATS, numbers[0], numbers[1], (size_t)count * 4);
    }
  }
}

static void compare_cache_rows(ptrdiff_t count) {
  for (int f = 0; f < 4; f++) {
    float *x = guarded((size_t)count * 4);
    fill(x, count, (distribution)between(0, DISTRIBUTIONS - 1));
    compare_encoded(cache_formats[f], x, count);
    release_all();
  }
}

/// The upper halves of all f32 numbers, with lower halves on, below and above the ties of half precision and bfloat16.
static void compare_roundings(void) {
  static const uint32_t lower[] = {0, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff};
  for (size_t l = 0; l < sizeof lower / sizeof *lower; l++) {
    float *x = guarded(65536 * 4);
    for (uint32_t upper = 0; upper < 65536; upper++) {
      const uint32_t u = upper << 16 | lower[l];
      memcpy(x + upper, &u, 4);
    }
    compare_encoded(BW_F16, x, 65536);
    compare_encoded(BW_BF16, x, 65536);
    release_all();
  }
}

static void compare_tile(const bw_logit_tile *expected, const bw_logit_tile *found, const char *name) {
  const float a[4] = {expected->top, expected->second, expected->sum, expected->weighted};
  const float b[4] = {found->top, found->second, found->sum, found->weighted};
  const int32_t c[3] = {expected->top_index, expected->second_index, expected->invalid};
  const int32_t d[3] = {found->top_index, found->second_index, found->invalid};
  expect_same(name, FLOATS, a, b, sizeof a);
  expect_same(name, BYTES, c, d, sizeof c);
}

static void compare_logits(ptrdiff_t count) {
  static const char *const kinds[] = {"any",     "equal numbers", "zeros of both signs", "banned entries",
                                      "invalid", "two largest"};
  const int kind = between(0, 5);
  describe("reduce_logits, %td entries, %s", count, kinds[kind]);
  float *x = guarded((size_t)count * 4);
  fill(x, count, one_in(2) ? PLAIN : WIDE);
  for (ptrdiff_t i = 0; i < count; i++) {
    if (kind == 1) x[i] = (float)between(-2, 2);
    if (kind == 2) x[i] = one_in(2) ? 0.0f : -0.0f;
    if (kind == 3 && !one_in(4)) x[i] = -INFINITY;
  }
  for (int i = 0; i < 2 && kind == 5; i++) x[between(0, (int)count - 1)] = 1e7f;
  if (kind == 4) x[between(0, (int)count - 1)] = one_in(2) ? NAN : INFINITY;
  if (kind == 3 && one_in(3)) {
    for (ptrdiff_t i = 0; i < count; i++) x[i] = -INFINITY;
  }
  bw_logit_statistics whole[2];
  bw_reduce_logits(bw_scalar_kernels(), x, count, &whole[0]);
  bw_logit_tile tile[2];
  const ptrdiff_t length = count < BW_LOGIT_TILE ? count : BW_LOGIT_TILE;
  bw_scalar_kernels()->reduce_logits(x, length, &tile[0]);
  digest(FLOATS, &tile[0].sum, 4);
  digest(FLOATS, &tile[0].weighted, 4);
  digest(BYTES, &tile[0].top_index, 4);
  for (int v = 0; v < variant_count; v++) {
    variants[v].kernels->reduce_logits(x, length, &tile[1]);
    compare_tile(&tile[0], &tile[1], variants[v].name);
    memset(&whole[1], 0, sizeof whole[1]);
    bw_reduce_logits(variants[v].kernels, x, count, &whole[1]);
    const double sums[2][2] = {
        {whole[0].log_sum_exp, whole[0].entropy}, {whole[1].log_sum_exp, whole[1].entropy}};
    expect_same(variants[v].name, BYTES, sums[0], sums[1], sizeof sums[0]);
  }
  release_all();
}

void compare_rows(int rounds) {
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 100; i++) compare_quantize_rows();
    for (ptrdiff_t count = 1; count <= 70; count++) {
      for (int op = 0; op < ELEMENTWISE; op++) compare_short_rows((operation)op, count);
      compare_norms(count, 0);
      compare_norms(count, 1);
      compare_rotation(count, 0);
      compare_rotation(count, 1);
      compare_cache_rows(count);
      compare_logits(count);
    }
    for (int i = 0; i < 4; i++) {
      const ptrdiff_t count = between(500, 9000);
      compare_norms(count, i % 2);
      compare_cache_rows(count);
      compare_logits(count);
    }
    compare_logits(BW_LOGIT_TILE);
    compare_sweep(EXPONENTIALS, -110, 0.004f, 60000);
    compare_sweep(SOFT_CAP, -90, 0.006f, 30000);
    compare_sweep(SILU, -110, 0.007f, 30000);
    compare_roundings();
  }
}
