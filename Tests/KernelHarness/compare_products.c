// Products: every format with both kinds of activations, 1…40 rows, ragged outputs, strides, pieces, bias.
#include <math.h>
#include <string.h>

#include "harness.h"

static const int32_t formats[] = {BW_F32, BW_F16, BW_BF16, BW_Q8_0, BW_Q4_0, BW_Q4_K,
                                  BW_Q5_K, BW_Q6_K, BW_I4, BW_I4M, BW_I5M};

static int is_float(int32_t format) { return format == BW_F32 || format == BW_F16 || format == BW_BF16; }

static const char *format_name(int32_t format) {
  switch (format) {
    case BW_F32: return "F32";
    case BW_F16: return "F16";
    case BW_BF16: return "BF16";
    case BW_Q8_0: return "Q8_0";
    case BW_Q4_0: return "Q4_0";
    case BW_Q4_K: return "Q4_K";
    case BW_Q5_K: return "Q5_K";
    case BW_Q6_K: return "Q6_K";
    case BW_I4: return "I4";
    case BW_I4M: return "I4M";
    default: return "I5M";
  }
}

/// Whether a format is in memory only; its rows are blocks all the same.
static int is_memory_only(int32_t format) { return format == BW_I4 || format == BW_I4M || format == BW_I5M; }

/// Bytes of a row in blocks, as a file stores it.
static size_t stored_bytes(int32_t format, ptrdiff_t columns) {
  switch (format) {
    case BW_F32: return (size_t)columns * 4;
    case BW_F16:
    case BW_BF16: return (size_t)columns * 2;
    case BW_Q8_0: return (size_t)columns / 32 * 34;
    case BW_Q4_0: return (size_t)columns / 32 * 18;
    case BW_Q4_K: return (size_t)columns / 256 * 144;
    case BW_Q5_K: return (size_t)columns / 256 * 176;
    case BW_Q6_K: return (size_t)columns / 256 * 210;
    case BW_I4: return (size_t)columns / 32 * 26;
    case BW_I4M: return (size_t)columns / 32 * 32;
    default: return (size_t)columns / 32 * 36;
  }
}

static void put_half(uint8_t *at) {
  // Mostly scales as they are in models, sometimes any finite number.
  const uint16_t half = one_in(4) ? finite_half() : (uint16_t)((next_random() & 0x83ffu) | 0x1c00u);
  memcpy(at, &half, 2);
}

/// A random row in blocks; extreme bytes now and then. `table`: for I4, the same for all rows of a matrix.
static void fill_stored(int32_t format, ptrdiff_t columns, uint8_t table, uint8_t *row) {
  const size_t bytes = stored_bytes(format, columns);
  switch (format) {
    case BW_F32:
      fill((float *)(void *)row, columns, one_in(3) ? WIDE : PLAIN);
      return;
    case BW_F16:
      for (size_t i = 0; i < bytes; i += 2) memcpy(row + i, &(uint16_t){finite_half()}, 2);
      return;
    case BW_BF16:
      for (size_t i = 0; i < bytes; i += 2) memcpy(row + i, &(uint16_t){finite_bfloat()}, 2);
      return;
    default: break;
  }
  if (one_in(8)) {
    static const uint8_t extremes[] = {0x00, 0x7f, 0x80, 0xff};
    memset(row, extremes[between(0, 3)], bytes);
  } else {
    fill_bytes(row, bytes);
  }
  if (is_memory_only(format)) {
    const size_t block = stored_bytes(format, 32);
    for (size_t b = 0; b < bytes; b += block) {
      float numbers[4];
      fill(numbers, 4, one_in(5) ? any_finite() : PLAIN);
      memcpy(row + b, numbers, format == BW_I4 ? 8 : 16);
      if (format == BW_I4) memcpy(row + b + 24, (uint8_t[2]){table, 0}, 2);
    }
    return;
  }
  const size_t block = format == BW_Q8_0 ? 34 : format == BW_Q4_0 ? 18 : format == BW_Q4_K ? 144 : format == BW_Q5_K ? 176 : 210;
  for (size_t b = 0; b < bytes; b += block) {
    put_half(row + b + (format == BW_Q6_K ? 208 : 0));
    if (format == BW_Q4_K || format == BW_Q5_K) put_half(row + b + 2);
  }
}

static void compare_product(int32_t format, int use_int8, int row_count) {
  const bw_kernels *scalar = bw_scalar_kernels();
  const ptrdiff_t outputs = between(1, 75), tiles = (outputs + 15) / 16;
  ptrdiff_t columns = is_float(format) ? between(1, 200) : 32 * between(1, 7);
  if (format == BW_Q4_K || format == BW_Q5_K || format == BW_Q6_K) columns = 256 * between(1, 2);
  const ptrdiff_t groups = (columns + 31) / 32;
  const ptrdiff_t tile_bytes = groups * bw_tile_group_bytes(format);
  const int special = one_in(10), has_bias = one_in(2), extreme = one_in(6);
  describe(
      "matmul %s, %s activations, %d rows, %td outputs, %td columns%s%s", format_name(format),
      use_int8 ? "int8" : "f32", row_count, outputs, columns, has_bias ? ", bias" : "",
      special ? ", special numbers" : "");

  uint8_t *packed = guarded((size_t)(tiles * tile_bytes));
  const uint8_t table = (uint8_t)between(0, 6);
  uint8_t *stored = guarded((size_t)outputs * stored_bytes(format, columns));
  for (ptrdiff_t i = 0; i < outputs; i++) {
    fill_stored(format, columns, table, stored + (size_t)i * stored_bytes(format, columns));
  }
  for (ptrdiff_t t = 0; t < tiles; t++) {
    const void *rows[BW_TILE_ROWS];
    for (ptrdiff_t i = 0; i < BW_TILE_ROWS; i++) {
      const ptrdiff_t row = t * BW_TILE_ROWS + i;
      rows[i] = row < outputs ? stored + (size_t)row * stored_bytes(format, columns) : NULL;
    }
    bw_pack_tile(format, columns, rows, packed + t * tile_bytes);
  }

  // Strides beyond the row, and a last row that ends with the buffer.
  const ptrdiff_t x_stride = 32 * groups + between(0, 5), y_stride = outputs + between(0, 5);
  float *x = guarded((size_t)((row_count - 1) * x_stride + 32 * groups) * 4);
  const ptrdiff_t panel_count = (row_count + BW_PANEL_ROWS - 1) / BW_PANEL_ROWS;
  bw_panel_group *panels = guarded((size_t)(panel_count * groups) * sizeof(bw_panel_group));
  for (ptrdiff_t r = 0; r < row_count; r++) {
    memset(x + r * x_stride, 0, (size_t)(32 * groups) * 4);
    fill(x + r * x_stride, columns, special && one_in(3) ? SPECIAL : one_in(3) ? any_finite() : PLAIN);
    if (!extreme || one_in(2)) continue;
    for (ptrdiff_t k = 0; k < columns; k++) x[r * x_stride + k] = one_in(2) ? 127.0f : -127.0f;
  }
  scalar->quantize_rows(x, x_stride, 0, row_count, 0, groups, groups, panels);
  float *bias = guarded((size_t)outputs * 4);
  fill(bias, outputs, PLAIN);

  const size_t y_bytes = (size_t)((row_count - 1) * y_stride + outputs) * 4;
  float *expected = guarded(y_bytes);
  bw_matmul job = {
      .packed = packed, .tile_bytes = tile_bytes, .format = format, .use_int8 = use_int8, .rows = outputs,
      .groups = groups, .row_count = row_count, .x = x, .x_stride = x_stride, .panels = panels,
      .y = expected, .y_stride = y_stride,
      .bias = has_bias ? bias : NULL};
  scalar->matmul(&job, 0, tiles);
  digest(FLOATS, expected, y_bytes);
  const ptrdiff_t cut = between(0, (int)tiles);
  for (int v = 0; v < variant_count; v++) {
    job.y = guarded(y_bytes);
    variants[v].kernels->matmul(&job, 0, cut);
    variants[v].kernels->matmul(&job, cut, tiles);
    expect_same(variants[v].name, FLOATS, expected, job.y, y_bytes);
  }
  release_all();
}

void compare_products(int rounds) {
  for (int round = 0; round < rounds; round++) {
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
      for (int use_int8 = 0; use_int8 <= !is_float(formats[f]); use_int8++) {
        for (int row_count = 1; row_count <= 40; row_count++) compare_product(formats[f], use_int8, row_count);
      }
    }
  }
}
