// The int8 activations of a block of rows, as kernels walk through them: one group of 32 after the other.
#ifndef BLOCKWISE_ACTIVATIONS_H
#define BLOCKWISE_ACTIVATIONS_H

#include "numbers.h"

/// Rows of one panel from a lane on; `group` goes through the panel.
typedef struct {
  const bw_panel_group *group;
  ptrdiff_t lane;
} bw_activations;

/// The first group of the rows from `row`, none of which is in the next panel.
static inline bw_activations bw_activations_of(const bw_matmul *job, ptrdiff_t row) {
  return (bw_activations){job->panels + row / BW_PANEL_ROWS * job->groups, row % BW_PANEL_ROWS};
}

/// Four codes of row r.
static inline const int8_t *bw_quad_codes(const bw_activations *x, int r, int quad) {
  return x->group->rows[x->lane + r].q + 4 * quad;
}

static inline float bw_group_scale(const bw_activations *x, int r) { return x->group->rows[x->lane + r].scale; }

/// The sum of the codes of a part of a group (tiles.h), times -8.
static inline int32_t bw_part_offset(const bw_activations *x, int r, int part_count, int part) {
  const bw_panel_row *row = x->group->rows + x->lane + r;
  return part_count == 1 ? row->offset : row->half_offsets[part];
}

/// The sum of the codes of a part of a group, times their scale.
static inline float bw_part_shift(const bw_activations *x, int r, int part_count, int part) {
  const bw_panel_row *row = x->group->rows + x->lane + r;
  return part_count == 1 ? row->shift : row->half_shifts[part];
}

#endif
