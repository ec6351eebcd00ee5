// Attention: every cache format, ragged head dimensions, runs over pages in any order, nothing visible, soft caps.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { PAGES = 4, SLOTS = PAGES * BW_PAGE_SLOTS, MOST_RUNS = 6, MOST_ROWS = 24 };

static const int32_t formats[] = {BW_F32, BW_F16, BW_BF16, BW_Q8_0};

static size_t row_bytes(int32_t format, ptrdiff_t dimension) {
  if (format == BW_F32) return (size_t)dimension * 4;
  if (format != BW_Q8_0) return (size_t)dimension * 2;
  return (size_t)(2 * ((dimension + 31) / 32) + (dimension + 1) / 2 * 2);
}

/// Runs of rows: some of their own, or those of the first row with another tail, as rows of a block have them.
static ptrdiff_t fill_runs(ptrdiff_t row_count, bw_run *runs, ptrdiff_t *bounds) {
  ptrdiff_t end = 0, most = 0, shared = 0;
  bounds[0] = 0;
  for (ptrdiff_t row = 0; row < row_count; row++) {
    const int is_alike = row > 0 && !one_in(6);
    if (is_alike) {
      memcpy(runs + end, runs, (size_t)shared * sizeof *runs);
      end += shared;
    }
    const int own = is_alike ? between(0, 2) : between(0, MOST_RUNS);
    for (int r = 0; r < own; r++) {
      const int start = between(0, SLOTS - 1), left = SLOTS - start;
      const int count = one_in(8) ? 0 : between(1, one_in(2) ? 5 : 70);
      runs[end++] = (bw_run){start, count < left ? count : left};
    }
    bounds[row + 1] = end;
    if (row == 0) shared = end;
    ptrdiff_t visible = 0;
    for (ptrdiff_t r = bounds[row]; r < end; r++) visible += runs[r].count;
    most = visible > most ? visible : most;
  }
  return most;
}

static void compare_attend(int32_t format, ptrdiff_t dimension) {
  const bw_kernels *scalar = bw_scalar_kernels();
  const ptrdiff_t heads = between(1, 9), rows = one_in(3) ? 1 : between(1, MOST_ROWS);
  const ptrdiff_t query_stride = dimension + between(0, 5), output_stride = dimension + between(0, 5);
  const ptrdiff_t query_row_stride = heads * query_stride + between(0, 5);
  const ptrdiff_t output_row_stride = heads * output_stride + between(0, 5);
  const float soft_cap = one_in(2) ? 0 : 5;
  const float magnitude = one_in(8) ? 300 : one_in(8) ? 1e18f : 3;

  // Keys and values of this head at the end of their pages, at an offset that is a multiple of four.
  const size_t bytes = row_bytes(format, dimension);
  const ptrdiff_t key_offset = 4, value_offset = 4 + (ptrdiff_t)(BW_PAGE_SLOTS * bytes);
  const void *pages[PAGES];
  float *number = guarded((size_t)dimension * 4);
  for (int p = 0; p < PAGES; p++) {
    uint8_t *page = guarded((4 + 2 * BW_PAGE_SLOTS * bytes + 3) / 4 * 4);
    for (int slot = 0; slot < BW_PAGE_SLOTS; slot++) {
      for (int i = 0; i < dimension; i++) number[i] = uniform(2);
      scalar->encode_row(format, number, dimension, page + key_offset + (size_t)slot * bytes);
      for (int i = 0; i < dimension; i++) number[i] = uniform(2);
      scalar->encode_row(format, number, dimension, page + value_offset + (size_t)slot * bytes);
    }
    pages[p] = page;
  }
  bw_run runs[2 * MOST_RUNS * MOST_ROWS];
  ptrdiff_t bounds[MOST_ROWS + 1];
  const ptrdiff_t visible = fill_runs(rows, runs, bounds);
  describe(
      "attend, format %d, dimension %td, %td rows of %td heads, %td visible slots at most, soft cap %g, queries of %g",
      format, dimension, rows, heads, visible, (double)soft_cap, (double)magnitude);

  const ptrdiff_t query_count = (rows - 1) * query_row_stride + (heads - 1) * query_stride + dimension;
  float *queries = guarded((size_t)query_count * 4);
  for (ptrdiff_t i = 0; i < query_count; i++) queries[i] = uniform(magnitude);
  if (one_in(20)) queries[between(0, (int)dimension - 1)] = NAN;
  const size_t output_bytes =
      (size_t)((rows - 1) * output_row_stride + (heads - 1) * output_stride + dimension) * 4;
  const size_t scratch_bytes = (size_t)bw_attention_scratch((int32_t)dimension, visible) * 4;
  bw_attention job = {
      .pages = pages, .key_offset = key_offset, .value_offset = value_offset, .row_bytes = (ptrdiff_t)bytes,
      .format = format, .head_dimension = (int32_t)dimension, .scale = 1 / sqrtf((float)dimension),
      .soft_cap = soft_cap, .runs = runs, .run_bounds = bounds, .row_count = rows, .query_count = heads,
      .queries = queries, .query_row_stride = query_row_stride, .query_stride = query_stride,
      .output_row_stride = output_row_stride, .output_stride = output_stride};
  float *expected = job.output = guarded(output_bytes);
  job.scratch = guarded(scratch_bytes);
  scalar->attend(&job);
  digest(FLOATS, expected, output_bytes);
  for (int v = 0; v < variant_count; v++) {
    job.output = guarded(output_bytes);
    job.scratch = guarded(scratch_bytes);
    variants[v].kernels->attend(&job);
    expect_same(variants[v].name, FLOATS, expected, job.output, output_bytes);
  }
  release_all();
}

void compare_attention(int rounds) {
  static const ptrdiff_t dimensions[] = {1, 3, 8, 15, 16, 17, 24, 33, 48, 64, 80, 96, 128, 160, 256};
  for (int round = 0; round < 2 * rounds; round++) {
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
      for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) compare_attend(formats[f], dimensions[d]);
    }
  }
}
