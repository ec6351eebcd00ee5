// What attention has in common on all machines: one row of a job, and the plan of tiles whose arithmetic an
// instruction set brings as steps.
#ifndef BLOCKWISE_ATTENTION_H
#define BLOCKWISE_ATTENTION_H

#include "CBlockwiseKernels.h"

/// Query heads that one row of scratch holds scores of at a time.
enum { BW_ROW_QUERIES = 16 };

/// Attention of one row: the form in which the result of every row is defined.
typedef struct bw_row_attention {
  const void *const *pages;
  ptrdiff_t key_offset;
  ptrdiff_t value_offset;
  ptrdiff_t row_bytes;
  int32_t format;
  int32_t head_dimension;
  float scale;
  float soft_cap;
  const bw_run *runs;
  ptrdiff_t run_count;
  const float *queries;       // [query_count, head_dimension], at most BW_ROW_QUERIES of them
  ptrdiff_t query_stride;
  ptrdiff_t query_count;
  float *output;              // [query_count, head_dimension]
  ptrdiff_t output_stride;
  float *scores;              // scratch, [query_count, visible slots]
} bw_row_attention;

/// Heads [head, head + count) of a row.
static inline bw_row_attention bw_attention_row(
    const bw_attention *job, ptrdiff_t row, ptrdiff_t head, ptrdiff_t count) {
  const ptrdiff_t first_run = job->run_bounds[row];
  return (bw_row_attention){
      .pages = job->pages,
      .key_offset = job->key_offset,
      .value_offset = job->value_offset,
      .row_bytes = job->row_bytes,
      .format = job->format,
      .head_dimension = job->head_dimension,
      .scale = job->scale,
      .soft_cap = job->soft_cap,
      .runs = job->runs + first_run,
      .run_count = job->run_bounds[row + 1] - first_run,
      .queries = job->queries + row * job->query_row_stride + head * job->query_stride,
      .query_stride = job->query_stride,
      .query_count = count,
      .output = job->output + row * job->output_row_stride + head * job->output_stride,
      .output_stride = job->output_stride,
      .scores = job->scratch,
  };
}

/// Attention row by row: all that a variant without tiles needs.
static inline void bw_attend_each_row(const bw_attention *job, void (*attend_row)(const bw_row_attention *row)) {
  for (ptrdiff_t row = 0; row < job->row_count; row++) {
    for (ptrdiff_t head = 0; head < job->query_count; head += BW_ROW_QUERIES) {
      const ptrdiff_t left = job->query_count - head;
      const bw_row_attention part = bw_attention_row(job, row, head, left < BW_ROW_QUERIES ? left : BW_ROW_QUERIES);
      attend_row(&part);
    }
  }
}

static inline ptrdiff_t bw_visible_count(const bw_run *runs, ptrdiff_t run_count) {
  ptrdiff_t visible = 0;
  for (ptrdiff_t i = 0; i < run_count; i++) visible += runs[i].count;
  return visible;
}

static inline const uint8_t *bw_slot(const bw_row_attention *job, ptrdiff_t offset, ptrdiff_t slot) {
  const uint8_t *page = (const uint8_t *)job->pages[slot / BW_PAGE_SLOTS];
  return page + offset + (slot % BW_PAGE_SLOTS) * job->row_bytes;
}

/// Geometry of tiles. A query is one head of one row.
enum {
  BW_LANES = 4,               // queries whose scores lie side by side: [key][BW_LANES]
  BW_KEY_STEP = 8,            // keys are arranged and scored in whole steps
};

/// The arithmetic of tiles. A chunk is 16 elements of the head dimension; the last one is filled up with zeros.
typedef struct bw_attention_steps {
  /// How often packed queries hold every four elements: as often as keys share a vector of arranged keys.
  ptrdiff_t query_copies;
  /// Spreads a query over its lane of [chunks][4][BW_LANES][copies][4], zeros behind its end.
  void (*pack_query)(const float *query, ptrdiff_t dimension, float *packed);
  /// Widens `count` cached keys (whole steps) into the order in which `score` reads them.
  void (*arrange_keys)(
      int32_t format, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t count, float *arranged);
  /// Widens `count` cached values: [count][chunks][16].
  void (*widen_values)(
      int32_t format, ptrdiff_t dimension, const uint8_t *const *values, ptrdiff_t count, float *widened);
  /// Scores of `lanes` queries, [chunks][4][BW_LANES][copies][4], and `count` keys (whole steps): scaled and capped,
  /// before the exponential. Lanes that are not computed are written too, with finite numbers.
  void (*score)(
      int lanes, const float *arranged, ptrdiff_t count, ptrdiff_t chunks, const float *queries, float scale,
      float soft_cap, float *scores);
  /// Turns the scores of `count` keys (whole steps) into exp(score - largest) and sums those of every lane in order.
  void (*weigh)(float *scores, ptrdiff_t count, float *sums);
  /// Adds weight · value of `count` keys, in order, to the totals of `lanes` queries, [lanes][chunks][16].
  void (*mix)(
      int lanes, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals);
  /// output = total / sum.
  void (*divide)(const float *total, float sum, ptrdiff_t dimension, float *output);
  /// Attention of a row by itself: what is faster where few queries share a key.
  void (*attend_row)(const bw_row_attention *row);
} bw_attention_steps;

/// Attention of all rows, in tiles of rows that share keys.
void bw_attend_tiles(const bw_attention *job, const bw_attention_steps *steps);

#endif
