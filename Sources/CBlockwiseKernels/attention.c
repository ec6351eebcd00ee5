// Attention in tiles: rows that see the same keys, or nearly, read each of them once.
//
// A row's keys are a list of slots. In a tile, the lists of all rows have a long stretch in common, with a few keys of
// each row's own before it (the edge of a window) and behind it (the row itself, its ancestors in a tree). Blocks of the
// common keys are widened once for all queries; the others are done row by row. Every query keeps its scores in the order
// of its list, and that is the order of every sum, so a result does not depend on the tile.
#include "attention.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum {
  MOST_ROWS = 32,             // of a tile
  MOST_QUERIES = 128,
  MOST_GROUPS = MOST_QUERIES / BW_LANES,
  MOST_LEAD = 64,             // keys of a row before the common ones
  MOST_BLOCK_KEYS = 64,
  MOST_COPIES = 4,            // of a query
  BLOCK_FLOATS = 4096,        // widened keys that stay in the innermost cache
  TILE_FLOATS = 1 << 17,      // queries, scores and totals of several rows
};

/// Where a row stands in its list of slots.
typedef struct {
  const bw_run *run;
  ptrdiff_t offset;
} cursor;

/// Up to BW_LANES queries: some rows with all their heads, or some heads of one row; lane = row · heads + head.
typedef struct {
  ptrdiff_t first_row, row_count;   // counted within the tile
  ptrdiff_t first_head, head_count;
  int lane_count;
} group;

typedef struct {
  const bw_attention *job;
  const bw_attention_steps *steps;
  ptrdiff_t first_row;
  ptrdiff_t row_count;
  ptrdiff_t head_count;         // at most BW_ROW_QUERIES
  ptrdiff_t rows_per_group;
  ptrdiff_t groups_per_row;
  ptrdiff_t group_count;
  group groups[MOST_GROUPS];
  ptrdiff_t chunks;
  ptrdiff_t block_keys;
  // Row by row: keys before the common ones, and all keys.
  ptrdiff_t lead[MOST_ROWS];
  ptrdiff_t visible[MOST_ROWS];
  ptrdiff_t common;
  // Places in a group's scores: the lead begins at 0.
  ptrdiff_t common_place;
  ptrdiff_t tail_place;
  ptrdiff_t place_count;
  float *block;
  float *queries;               // [group][chunks][4][BW_LANES][4]
  float *totals;                // [group][BW_LANES][chunks][16]
  float *scores;                // [group][place][BW_LANES]
} tile;

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
static ptrdiff_t whole_steps(ptrdiff_t keys) { return (keys + BW_KEY_STEP - 1) / BW_KEY_STEP * BW_KEY_STEP; }

static ptrdiff_t chunk_count(ptrdiff_t dimension) { return (dimension + 15) / 16; }

static ptrdiff_t block_key_count(ptrdiff_t chunks) {
  const ptrdiff_t keys = BLOCK_FLOATS / (16 * chunks) / BW_KEY_STEP * BW_KEY_STEP;
  return larger(BW_KEY_STEP, smaller(keys, MOST_BLOCK_KEYS));
}

/// Floats of a group: its queries, totals and scores.
static ptrdiff_t group_floats(ptrdiff_t copies, ptrdiff_t chunks, ptrdiff_t places) {
  return BW_LANES * (16 * chunks * (copies + 1) + places);
}

ptrdiff_t bw_attention_scratch(int32_t head_dimension, ptrdiff_t visible) {
  const ptrdiff_t chunks = chunk_count(head_dimension);
  const ptrdiff_t one_row = BW_ROW_QUERIES / BW_LANES * group_floats(MOST_COPIES, chunks, whole_steps(visible));
  // The 16 are for the boundary of 64 bytes.
  return 16 + block_key_count(chunks) * 16 * chunks + larger(one_row, TILE_FLOATS);
}

// MARK: Lists of slots

static const bw_run *runs_of(const tile *t, ptrdiff_t row) {
  return t->job->runs + t->job->run_bounds[t->first_row + row];
}

static ptrdiff_t run_count_of(const tile *t, ptrdiff_t row) {
  const ptrdiff_t *bounds = t->job->run_bounds + t->first_row + row;
  return bounds[1] - bounds[0];
}

/// Where key `index` of a row is, which the row must have.
static cursor cursor_at(const tile *t, ptrdiff_t row, ptrdiff_t index) {
  cursor c = {runs_of(t, row), index};
  while (c.offset >= c.run->count) c.offset -= (c.run++)->count;
  return c;
}

/// Addresses of the next `count` keys or values, which the row must have.
static void take(const bw_attention *job, cursor *from, ptrdiff_t offset, ptrdiff_t count, const uint8_t **rows) {
  while (count > 0) {
    const ptrdiff_t left = from->run->count - from->offset;
    if (left <= 0) {
      *from = (cursor){from->run + 1, 0};
      continue;
    }
    const ptrdiff_t slot = from->run->start + from->offset;
    const ptrdiff_t in_page = slot % BW_PAGE_SLOTS;
    const ptrdiff_t together = smaller(count, smaller(left, BW_PAGE_SLOTS - in_page));
    const uint8_t *row = (const uint8_t *)job->pages[slot / BW_PAGE_SLOTS] + offset + in_page * job->row_bytes;
    for (ptrdiff_t i = 0; i < together; i++, row += job->row_bytes) *rows++ = row;
    from->offset += together;
    count -= together;
  }
}

/// The index of a slot in a row's list, if it is among the first, or -1.
static ptrdiff_t lead_before(const tile *t, ptrdiff_t row, ptrdiff_t slot) {
  const bw_run *runs = runs_of(t, row);
  ptrdiff_t index = 0;
  for (ptrdiff_t r = 0; r < run_count_of(t, row) && index <= MOST_LEAD; index += runs[r].count, r++) {
    const ptrdiff_t inside = slot - runs[r].start;
    if (inside >= 0 && inside < runs[r].count) return index + inside <= MOST_LEAD ? index + inside : -1;
  }
  return -1;
}

/// How many keys the rows [first, end) have in common from the given indices on.
static ptrdiff_t common_count(const tile *t, ptrdiff_t first, ptrdiff_t end, const ptrdiff_t *indices) {
  cursor at[MOST_ROWS];
  ptrdiff_t most = PTRDIFF_MAX;
  for (ptrdiff_t row = first; row < end; row++) most = smaller(most, t->visible[row] - indices[row]);
  if (most <= 0) return 0;
  for (ptrdiff_t row = first; row < end; row++) at[row] = cursor_at(t, row, indices[row]);
  ptrdiff_t common = 0;
  while (common < most) {
    ptrdiff_t together = most - common;
    for (ptrdiff_t row = first; row < end; row++) {
      while (at[row].offset >= at[row].run->count) at[row] = (cursor){at[row].run + 1, 0};
      if (at[row].run->start + at[row].offset != at[first].run->start + at[first].offset) return common;
      together = smaller(together, at[row].run->count - at[row].offset);
    }
    for (ptrdiff_t row = first; row < end; row++) at[row].offset += together;
    common += together;
  }
  return common;
}

/// Finds what the rows of a tile have in common. False: fewer rows should share a tile.
static int plan(tile *t) {
  ptrdiff_t anchor = -1, longest = 0;
  for (ptrdiff_t row = 0; row < t->row_count; row++) {
    const bw_run *runs = runs_of(t, row);
    t->visible[row] = bw_visible_count(runs, run_count_of(t, row));
    t->lead[row] = 0;
    longest = larger(longest, t->visible[row]);
    if (t->visible[row] > 0) anchor = larger(anchor, cursor_at(t, row, 0).run->start);
  }
  if (t->row_count == 1) {
    t->common = t->visible[0];
  } else {
    for (ptrdiff_t row = 0; row < t->row_count; row++) {
      t->lead[row] = lead_before(t, row, anchor);
      if (t->lead[row] < 0) return 0;
    }
    t->common = common_count(t, 0, t->row_count, t->lead);
    if (t->common < longest / 4 * 3) return 0;
  }
  ptrdiff_t lead = 0, tail = 0;
  for (ptrdiff_t row = 0; row < t->row_count; row++) {
    lead = larger(lead, t->lead[row]);
    tail = larger(tail, t->visible[row] - t->lead[row] - t->common);
  }
  t->common_place = whole_steps(lead);
  t->tail_place = t->common_place + whole_steps(t->common);
  t->place_count = t->tail_place + whole_steps(tail);
  t->rows_per_group = larger(1, BW_LANES / t->head_count);
  t->groups_per_row = (t->head_count + BW_LANES - 1) / BW_LANES;
  t->group_count = (t->row_count + t->rows_per_group - 1) / t->rows_per_group * t->groups_per_row;
  return t->row_count == 1 || t->group_count * group_floats(t->steps->query_copies, t->chunks, t->place_count) <= TILE_FLOATS;
}

// MARK: Queries

/// Floats of a group's totals, and of one copy of its queries.
static ptrdiff_t group_elements(const tile *t) { return BW_LANES * 16 * t->chunks; }

static float *queries_of(const tile *t, ptrdiff_t group) {
  return t->queries + group * group_elements(t) * t->steps->query_copies;
}
static float *totals_of(const tile *t, ptrdiff_t group) { return t->totals + group * group_elements(t); }
static float *scores_of(const tile *t, ptrdiff_t group) { return t->scores + group * BW_LANES * t->place_count; }

static void hide_places(const tile *t, ptrdiff_t group, ptrdiff_t first, ptrdiff_t end) {
  float *scores = scores_of(t, group);
  for (ptrdiff_t i = BW_LANES * first; i < BW_LANES * end; i++) scores[i] = -INFINITY;
}

static group group_at(const tile *t, ptrdiff_t index) {
  const ptrdiff_t row = index / t->groups_per_row * t->rows_per_group;
  const ptrdiff_t head = index % t->groups_per_row * BW_LANES;
  const ptrdiff_t rows = smaller(t->rows_per_group, t->row_count - row);
  const ptrdiff_t heads = smaller(BW_LANES, t->head_count - head);
  return (group){row, rows, head, heads, (int)(rows * heads)};
}

/// Packs the queries and clears what is added to.
static void prepare(tile *t) {
  for (ptrdiff_t index = 0; index < t->group_count; index++) {
    const group g = t->groups[index] = group_at(t, index);
    float *packed = queries_of(t, index);
    for (ptrdiff_t row = 0; row < g.row_count; row++) {
      for (ptrdiff_t head = 0; head < g.head_count; head++, packed += 4 * t->steps->query_copies) {
        const float *query = t->job->queries + (t->first_row + g.first_row + row) * t->job->query_row_stride +
                             (g.first_head + head) * t->job->query_stride;
        t->steps->pack_query(query, t->job->head_dimension, packed);
      }
    }
    memset(totals_of(t, index), 0, (size_t)group_elements(t) * 4);
    // A key that a lane does not have weighs nothing.
    hide_places(t, index, 0, t->common_place);
    hide_places(t, index, t->tail_place, t->place_count);
  }
}

// MARK: Keys

/// Some keys of a tile, and the queries that see them.
typedef struct {
  cursor from;
  ptrdiff_t count;
  ptrdiff_t place;              // of the first in the scores
  ptrdiff_t first_group, end_group;
  int first_lane, lane_count;   // within every group; no lanes: all that a group has
} stretch;

static stretch common_keys(const tile *t) {
  return (stretch){
      .from = cursor_at(t, 0, t->lead[0]),
      .count = t->common,
      .place = t->common_place,
      .end_group = t->group_count,
  };
}

/// Keys [index, index + count) of a row alone.
static stretch own_keys(const tile *t, ptrdiff_t row, ptrdiff_t index, ptrdiff_t count, ptrdiff_t place) {
  const ptrdiff_t first_group = row / t->rows_per_group * t->groups_per_row;
  stretch s = {cursor_at(t, row, index), count, place, first_group, first_group + t->groups_per_row, 0, 0};
  if (t->rows_per_group > 1) {
    s.first_lane = (int)(row % t->rows_per_group * t->head_count);
    s.lane_count = (int)t->head_count;
  }
  return s;
}

/// Rows of the next block, fetched from memory piece by piece between the calls that work on this one.
typedef struct {
  const uint8_t **rows;
  ptrdiff_t count;
  ptrdiff_t fetched;
} upcoming;

static upcoming next_block(const tile *t, stretch *s, ptrdiff_t offset, ptrdiff_t done, const uint8_t **rows) {
  upcoming next = {rows, smaller(t->block_keys, s->count - done), 0};
  take(t->job, &s->from, offset, next.count, rows);
  return next;
}

/// Fetches as much of the block as is due after `part` of `parts`.
static void fetch(const tile *t, upcoming *next, ptrdiff_t part, ptrdiff_t parts) {
  for (const ptrdiff_t end = next->count * part / parts; next->fetched < end; next->fetched++) {
    const uint8_t *row = next->rows[next->fetched];
    for (ptrdiff_t byte = 0; byte < t->job->row_bytes; byte += 64) __builtin_prefetch(row + byte);
  }
}

static void score_keys(const tile *t, stretch s) {
  const bw_attention *job = t->job;
  const uint8_t *lists[2][MOST_BLOCK_KEYS];
  upcoming next = next_block(t, &s, job->key_offset, 0, lists[0]);
  float columns[MOST_BLOCK_KEYS * BW_LANES];
  for (ptrdiff_t done = 0; done < s.count; done += t->block_keys) {
    const ptrdiff_t count = smaller(t->block_keys, s.count - done), whole = whole_steps(count);
    const uint8_t **keys = next.rows;
    for (ptrdiff_t i = count; i < whole; i++) keys[i] = keys[count - 1];
    t->steps->arrange_keys(job->format, job->head_dimension, keys, whole, t->block);
    next = next_block(t, &s, job->key_offset, done + count, lists[keys == lists[0]]);
    for (ptrdiff_t index = s.first_group; index < s.end_group; index++) {
      fetch(t, &next, index - s.first_group + 1, s.end_group - s.first_group);
      const float *queries = queries_of(t, index) + 4 * t->steps->query_copies * s.first_lane;
      float *scores = scores_of(t, index) + BW_LANES * (s.place + done);
      const int lanes = s.lane_count ? s.lane_count : t->groups[index].lane_count;
      float *out = s.lane_count ? columns : scores;
      t->steps->score(lanes, t->block, whole, t->chunks, queries, job->scale, job->soft_cap, out);
      if (s.lane_count) {
        for (ptrdiff_t i = 0; i < count; i++) {
          memcpy(scores + BW_LANES * i + s.first_lane, columns + BW_LANES * i, (size_t)lanes * 4);
        }
      } else {
        for (ptrdiff_t i = BW_LANES * count; i < BW_LANES * whole; i++) scores[i] = -INFINITY;
      }
    }
  }
}

static void mix_values(const tile *t, stretch s) {
  const bw_attention *job = t->job;
  const uint8_t *lists[2][MOST_BLOCK_KEYS];
  upcoming next = next_block(t, &s, job->value_offset, 0, lists[0]);
  for (ptrdiff_t done = 0; done < s.count; done += t->block_keys) {
    const ptrdiff_t count = smaller(t->block_keys, s.count - done);
    const uint8_t **values = next.rows;
    t->steps->widen_values(job->format, job->head_dimension, values, count, t->block);
    next = next_block(t, &s, job->value_offset, done + count, lists[values == lists[0]]);
    for (ptrdiff_t index = s.first_group; index < s.end_group; index++) {
      fetch(t, &next, index - s.first_group + 1, s.end_group - s.first_group);
      const float *weights = scores_of(t, index) + BW_LANES * (s.place + done) + s.first_lane;
      float *totals = totals_of(t, index) + s.first_lane * 16 * t->chunks;
      const int lanes = s.lane_count ? s.lane_count : t->groups[index].lane_count;
      t->steps->mix(lanes, t->block, count, t->chunks, weights, totals);
    }
  }
}

/// Does something with all keys of a tile, so that every query meets its own in order.
static void each_stretch(const tile *t, void (*body)(const tile *t, stretch s)) {
  for (ptrdiff_t row = 0; row < t->row_count; row++) {
    if (t->lead[row] > 0) body(t, own_keys(t, row, 0, t->lead[row], 0));
  }
  body(t, common_keys(t));
  for (ptrdiff_t row = 0; row < t->row_count; row++) {
    const ptrdiff_t first = t->lead[row] + t->common;
    if (t->visible[row] > first) body(t, own_keys(t, row, first, t->visible[row] - first, t->tail_place));
  }
}

static void attend_tile(tile *t) {
  t->queries = t->block + t->block_keys * 16 * t->chunks;
  t->totals = queries_of(t, t->group_count);
  t->scores = totals_of(t, t->group_count);
  prepare(t);
  each_stretch(t, score_keys);
  float sums[MOST_QUERIES];
  for (ptrdiff_t index = 0; index < t->group_count; index++) {
    t->steps->weigh(scores_of(t, index), t->place_count, sums + BW_LANES * index);
  }
  each_stretch(t, mix_values);
  for (ptrdiff_t index = 0; index < t->group_count; index++) {
    const group g = t->groups[index];
    const float *total = totals_of(t, index), *sum = sums + BW_LANES * index;
    for (ptrdiff_t row = 0; row < g.row_count; row++) {
      for (ptrdiff_t head = 0; head < g.head_count; head++, total += 16 * t->chunks) {
        float *output = t->job->output + (t->first_row + g.first_row + row) * t->job->output_row_stride +
                        (g.first_head + head) * t->job->output_stride;
        t->steps->divide(total, *sum++, t->job->head_dimension, output);
      }
    }
  }
}

/// Rows of at most BW_ROW_QUERIES heads.
static void attend_heads(const bw_attention *job, const bw_attention_steps *steps) {
  const uintptr_t aligned = ((uintptr_t)job->scratch + 63) / 64 * 64;
  tile t = {.job = job, .steps = steps, .head_count = job->query_count, .block = (float *)aligned};
  t.chunks = chunk_count(job->head_dimension);
  t.block_keys = block_key_count(t.chunks);
  // Rows of one or two heads share groups, those of more fill up their own.
  const ptrdiff_t whole_groups = (t.head_count + BW_LANES - 1) / BW_LANES * BW_LANES;
  const ptrdiff_t row_lanes = t.head_count <= BW_LANES / 2 ? t.head_count : whole_groups;
  const ptrdiff_t limit = smaller(MOST_ROWS, MOST_QUERIES / row_lanes);
  ptrdiff_t most = limit;
  while (t.first_row < job->row_count) {
    t.row_count = smaller(most, job->row_count - t.first_row);
    while (!plan(&t)) t.row_count = (t.row_count + 1) / 2;
    // Rows that follow are much like these.
    most = smaller(limit, 2 * t.row_count);
    if (t.row_count == 1 && (t.head_count <= BW_LANES || t.visible[0] == 0)) {
      const bw_row_attention row = bw_attention_row(job, t.first_row, 0, t.head_count);
      steps->attend_row(&row);
    } else {
      attend_tile(&t);
    }
    t.first_row += t.row_count;
  }
}

void bw_attend_tiles(const bw_attention *job, const bw_attention_steps *steps) {
  for (ptrdiff_t head = 0; head < job->query_count; head += BW_ROW_QUERIES) {
    bw_attention part = *job;
    part.queries += head * job->query_stride;
    part.output += head * job->output_stride;
    part.query_count = smaller(BW_ROW_QUERIES, job->query_count - head);
    attend_heads(&part, steps);
  }
}
