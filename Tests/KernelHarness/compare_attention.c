// Attention: every cache format, ragged head dimensions, runs over pages in any order, nothing visible, soft caps.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { PAGES = 4, SLOTS = PAGES * BW_PAGE_SLOTS, MOST_RUNS = 6 };

static const int32_t formats[] = {BW_F32, BW_F16, BW_BF16, BW_Q8_0};

static size_t row_bytes(int32_t format, ptrdiff_t dimension) {
  if (format == BW_F32) return (size_t)dimension * 4;
  if (format != BW_Q8_0) return (size_t)dimension * 2;
  return (size_t)(2 * ((dimension + 31) / 32) + (dimension + 1) / 2 * 2);
}

static void compare_attend(int32_t format, ptrdiff_t dimension) {
  const bw_kernels *scalar = bw_scalar_kernels();
  const ptrdiff_t heads = between(1, 9);
  const ptrdiff_t query_stride = dimension + between(0, 5), output_stride = dimension + between(0, 5);
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
  bw_run runs[MOST_RUNS];
  const int run_count = between(0, MOST_RUNS);
  ptrdiff_t visible = 0;
  for (int r = 0; r < run_count; r++) {
    const int start = between(0, SLOTS - 1), left = SLOTS - start;
    const int count = one_in(8) ? 0 : between(1, one_in(2) ? 5 : 70);
    runs[r] = (bw_run){start, count < left ? count : left};
    visible += runs[r].count;
  }
  describe(
      "attend, format %d, dimension %td, %td heads, %td visible slots in %d runs, soft cap %g, queries of %g", format,
      dimension, heads, visible, run_count, (double)soft_cap, (double)magnitude);

  float *queries = guarded((size_t)((heads - 1) * query_stride + dimension) * 4);
  for (ptrdiff_t i = 0; i < (heads - 1) * query_stride + dimension; i++) queries[i] = uniform(magnitude);
  if (one_in(20)) queries[between(0, (int)dimension - 1)] = NAN;
  const size_t output_bytes = (size_t)((heads - 1) * output_stride + dimension) * 4;
  bw_attention job = {
      .pages = pages, .key_offset = key_offset, .value_offset = value_offset, .row_bytes = (ptrdiff_t)bytes,
      .format = format, .head_dimension = (int32_t)dimension, .scale = 1 / sqrtf((float)dimension),
      .soft_cap = soft_cap, .runs = runs, .run_count = run_count, .queries = queries, .query_stride = query_stride,
      .query_count = heads, .output_stride = output_stride};
  float *expected = job.output = guarded(output_bytes);
  job.scores = guarded((size_t)(heads * visible) * 4);
  scalar->attend(&job);
  digest(FLOATS, expected, output_bytes);
  for (int v = 0; v < variant_count; v++) {
    job.output = guarded(output_bytes);
    job.scores = guarded((size_t)(heads * visible) * 4);
    variants[v].kernels->attend(&job);
    expect_same(variants[v].name, FLOATS, expected, job.output, output_bytes);
  }
  release_all();
}

void compare_attention(int rounds) {
  static const ptrdiff_t dimensions[] = {1, 3, 8, 15, 16, 17, 24, 33, 48, 64, 80, 96, 128};
  for (int round = 0; round < 2 * rounds; round++) {
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
      for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) compare_attend(formats[f], dimensions[d]);
    }
  }
}
