// The int8 activations of a block of rows, as kernels walk through them: one group of 32 after the other.
#ifndef BLOCKWISE_ACTIVATIONS_H
#define BLOCKWISE_ACTIVATIONS_H

#include "numbers.h"

typedef struct {
  const int8_t *codes;
  const float *scales;
  const int32_t *sums;
  ptrdiff_t code_stride, group_stride;
} bw_activations;

/// The first group of the rows from `row`.
static inline bw_activations bw_activations_of(const bw_matmul *job, ptrdiff_t row) {
  return (bw_activations){
      job->xq + row * job->xq_stride, job->x_scales + row * job->x_group_stride,
      job->x_sums + 2 * row * job->x_group_stride, job->xq_stride, job->x_group_stride};
}

static inline void bw_next_group(bw_activations *x) {
  x->codes += BW_GROUP;
  x->scales += 1;
  x->sums += 2;
}

/// Four codes of row r.
static inline const int8_t *bw_quad_codes(const bw_activations *x, int r, int quad) {
  return x->codes + r * x->code_stride + 4 * quad;
}

static inline float bw_group_scale(const bw_activations *x, int r) { return x->scales[r * x->group_stride]; }

/// The sum of the codes of half a group.
static inline int32_t bw_half_sum(const bw_activations *x, int r, int half) {
  return x->sums[2 * r * x->group_stride + half];
}

/// The sum of the codes of a part of a group (tiles.h), times their scale.
static inline float bw_part_shift(const bw_activations *x, int r, int part_count, int part) {
  const int32_t sum = part_count == 1 ? bw_half_sum(x, r, 0) + bw_half_sum(x, r, 1) : bw_half_sum(x, r, part);
  return bw_group_scale(x, r) * (float)sum;
}

#endif
