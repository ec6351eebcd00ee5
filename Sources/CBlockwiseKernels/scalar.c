// The reference variant: what every other variant must reproduce bit for bit.
#include "activations.h"
#include "attention.h"
#include "numbers.h"
#include "tiles.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

static float weight_at(int32_t format, const uint8_t *group, int k, int lane) {
  switch (format) {
    case BW_F32: {
      float w;
      memcpy(&w, group + 4 * (k * BW_TILE_ROWS + lane), 4);
      return w;
    }
    case BW_F16: return bw_half_to_float(bw_load16(group + 2 * (k * BW_TILE_ROWS + lane)));
    case BW_BF16: return bw_bfloat_to_float(bw_load16(group + 2 * (k * BW_TILE_ROWS + lane)));
    case BW_Q8_0: return (float)(int8_t)group[64 * (k / 4) + 4 * lane + k % 4];
    default: {
      const uint8_t byte = group[64 * (k / 4 % 4) + 4 * lane + k % 4];
      return (float)((k < 16 ? byte & 15 : byte >> 4) - 8);
    }
  }
}

static float scale_at(int32_t format, const uint8_t *group, int lane) {
  const ptrdiff_t offset = format == BW_Q8_0 ? BW_GROUP * BW_TILE_ROWS : BW_GROUP * BW_TILE_ROWS / 2;
  return bw_half_to_float(bw_load16(group + offset + 2 * lane));
}

/// f32 activations and a format with parts (tiles.h).
static float parts_output_f32(const bw_matmul *job, const uint8_t *tile, int lane, ptrdiff_t row) {
  float total = 0;
  for (ptrdiff_t g = 0; g < job->groups; g++) {
    const float *x = job->x + row * job->x_stride + g * BW_GROUP;
    float sum = 0;
    for (int k = 0; k < BW_GROUP; k++) sum = fmaf(bw_part_weight(job->format, tile, g, k, lane), x[k], sum);
    total += sum;
  }
  return total;
}

/// int8 activations and a format with parts (tiles.h).
static float parts_output_int8(const bw_matmul *job, const uint8_t *tile, int lane, ptrdiff_t row) {
  const int32_t format = job->format;
  const int part_count = bw_part_count(format), length = BW_GROUP / part_count;
  float total = 0;
  for (ptrdiff_t g = 0; g < job->groups; g++) {
    const bw_activations group = {job->panels + row / BW_PANEL_ROWS * job->groups + g, row % BW_PANEL_ROWS};
    const int8_t *x = bw_quad_codes(&group, 0, 0);
    const float x_scale = bw_group_scale(&group, 0);
    for (int part = 0; part < part_count; part++) {
      int32_t dot = 0, sum = 0;
      for (int k = part * length; k < (part + 1) * length; k++) {
        dot += bw_part_code(format, tile, g, k, lane) * x[k];
        sum += x[k];
      }
      total = fmaf((float)dot, bw_part_scale(format, tile, g, part, lane) * x_scale, total);
      if (bw_has_minimum(format)) {
        total = fmaf(-bw_part_minimum(format, tile, g, part, lane), x_scale * (float)sum, total);
      }
    }
  }
  return total;
}

static float output_f32(const bw_matmul *job, const uint8_t *tile, int lane, ptrdiff_t row) {
  const ptrdiff_t group_bytes = bw_tile_group_bytes(job->format);
  const int quantized = job->format == BW_Q8_0 || job->format == BW_Q4_0;
  float total = 0;
  for (ptrdiff_t g = 0; g < job->groups; g++) {
    const uint8_t *group = tile + g * group_bytes;
    const float *x = job->x + row * job->x_stride + g * BW_GROUP;
    float partial = 0;
    for (int k = 0; k < BW_GROUP; k++) partial = fmaf(weight_at(job->format, group, k, lane), x[k], partial);
    total = quantized ? fmaf(scale_at(job->format, group, lane), partial, total) : total + partial;
  }
  return total;
}

static float output_int8(const bw_matmul *job, const uint8_t *tile, int lane, ptrdiff_t row) {
  const ptrdiff_t group_bytes = bw_tile_group_bytes(job->format);
  float total = 0;
  for (ptrdiff_t g = 0; g < job->groups; g++) {
    const uint8_t *group = tile + g * group_bytes;
    const bw_activations activations = {job->panels + row / BW_PANEL_ROWS * job->groups + g, row % BW_PANEL_ROWS};
    const int8_t *x = bw_quad_codes(&activations, 0, 0);
    int32_t dot = 0;
    for (int k = 0; k < BW_GROUP; k++) dot += (int32_t)weight_at(job->format, group, k, lane) * x[k];
    const float x_scale = bw_group_scale(&activations, 0);
    total = fmaf((float)dot, scale_at(job->format, group, lane) * x_scale, total);
  }
  return total;
}

static void matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile) {
  for (ptrdiff_t t = first_tile; t < end_tile; t++) {
    const uint8_t *tile = (const uint8_t *)job->packed + t * job->tile_bytes;
    for (int lane = 0; lane < BW_TILE_ROWS; lane++) {
      const ptrdiff_t out = t * BW_TILE_ROWS + lane;
      if (out >= job->rows) break;
      for (ptrdiff_t row = 0; row < job->row_count; row++) {
        float y;
        if (bw_has_parts(job->format)) {
          y = job->use_int8 ? parts_output_int8(job, tile, lane, row) : parts_output_f32(job, tile, lane, row);
        } else {
          y = job->use_int8 ? output_int8(job, tile, lane, row) : output_f32(job, tile, lane, row);
        }
        if (job->bias) y += job->bias[out];
        job->y[row * job->y_stride + out] = y;
      }
    }
  }
}

static uint32_t largest_magnitude_bits(const float *x, ptrdiff_t count) {
  uint32_t largest = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint32_t magnitude = bw_bits(x[i]) & 0x7fffffffu;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

static void quantize_rows(
    const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
    ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels) {
  for (ptrdiff_t row = first_row; row < end_row; row++) {
    for (ptrdiff_t g = first_group; g < end_group; g++) {
      const float *from = x + row * x_stride + g * BW_GROUP;
      bw_panel_group *group = bw_panel(panels, groups, row, g);
      const ptrdiff_t lane = row % BW_PANEL_ROWS;
      float scale, inverse;
      bw_activation_scale(largest_magnitude_bits(from, BW_GROUP), &scale, &inverse);
      int32_t sums[2] = {0};
      for (int k = 0; k < BW_GROUP; k++) {
        group->rows[lane].q[k] = bw_quantize(from[k], inverse);
        sums[k / 16] += group->rows[lane].q[k];
      }
      bw_describe_group(group, lane, scale, sums[0], sums[1]);
    }
  }
}

static void rms_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, float epsilon, ptrdiff_t row_count, ptrdiff_t columns,
    float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    float lanes[16] = {0};
    for (ptrdiff_t i = 0; i < columns; i++) lanes[i % 16] = fmaf(x[i], x[i], lanes[i % 16]);
    const float factor = 1.0f / sqrtf(bw_sum_lanes(lanes) / (float)columns + epsilon);
    for (ptrdiff_t i = 0; i < columns; i++) {
      const float scaled = x[i] * factor;
      y[i] = weight ? scaled * weight[i] : scaled;
    }
  }
}

static void layer_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float epsilon, ptrdiff_t row_count,
    ptrdiff_t columns, float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    float sums[16] = {0};
    for (ptrdiff_t i = 0; i < columns; i++) sums[i % 16] += x[i];
    const float mean = bw_sum_lanes(sums) / (float)columns;
    float squares[16] = {0};
    for (ptrdiff_t i = 0; i < columns; i++) {
      const float d = x[i] - mean;
      squares[i % 16] = fmaf(d, d, squares[i % 16]);
    }
    const float factor = 1.0f / sqrtf(bw_sum_lanes(squares) / (float)columns + epsilon);
    for (ptrdiff_t i = 0; i < columns; i++) {
      float scaled = (x[i] - mean) * factor;
      if (weight) scaled *= weight[i];
      if (bias) scaled += bias[i];
      y[i] = scaled;
    }
  }
}

static void rotate_halves(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    for (ptrdiff_t i = 0; i < pairs; i++) {
      const float a = x[i], b = x[i + pairs];
      x[i] = fmaf(b, -sines[i], a * cosines[i]);
      x[i + pairs] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

static void rotate_pairs(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    for (ptrdiff_t i = 0; i < pairs; i++) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = fmaf(b, -sines[i], a * cosines[i]);
      x[2 * i + 1] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

static void silu_multiply(const float *gate, const float *up, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_silu(gate[i]) * up[i];
}

static void add(const float *a, const float *b, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

static void scale(const float *x, float factor, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = x[i] * factor;
}

static void soft_cap(const float *x, float cap, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_soft_cap(x[i], cap);
}

static void exponentials(const float *x, float shift, float factor, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_exp((x[i] - shift) * factor);
}

static void encode_row(int32_t format, const float *x, ptrdiff_t count, void *row) {
  uint8_t *bytes = (uint8_t *)row;
  switch (format) {
    case BW_F32: memcpy(bytes, x, (size_t)count * 4); break;
    case BW_F16:
      for (ptrdiff_t i = 0; i < count; i++) bw_store16(bytes + 2 * i, bw_float_to_half(x[i]));
      break;
    case BW_BF16:
      for (ptrdiff_t i = 0; i < count; i++) bw_store16(bytes + 2 * i, bw_float_to_bfloat(x[i]));
      break;
    default: {
      const ptrdiff_t groups = (count + BW_GROUP - 1) / BW_GROUP;
      for (ptrdiff_t g = 0; g < groups; g++) {
        const ptrdiff_t start = g * BW_GROUP;
        const ptrdiff_t length = count - start < BW_GROUP ? count - start : BW_GROUP;
        float inverse;
        bw_store16(bytes + 2 * g, bw_cache_scale(largest_magnitude_bits(x + start, length), &inverse));
        int8_t *q = (int8_t *)bytes + 2 * groups + start;
        for (ptrdiff_t i = 0; i < length; i++) q[i] = bw_quantize(x[start + i], inverse);
      }
      if (count % 2) bytes[2 * groups + count] = 0;
      break;
    }
  }
}

static void decode_row(int32_t format, const void *row, ptrdiff_t count, float *out) {
  for (ptrdiff_t i = 0; i < count; i++) out[i] = bw_cache_element(format, (const uint8_t *)row, count, i);
}

static void reduce_logits(const float *x, ptrdiff_t count, bw_logit_tile *result) {
  bw_logit_tile r = {.top = -INFINITY, .second = -INFINITY, .top_index = -1, .second_index = -1};
  for (ptrdiff_t i = 0; i < count; i++) {
    if (!(x[i] < INFINITY)) r.invalid = 1;
    if (r.top_index < 0 || x[i] > r.top) {
      r.second = r.top;
      r.second_index = r.top_index;
      r.top = x[i];
      r.top_index = (int32_t)i;
    } else if (r.second_index < 0 || x[i] > r.second) {
      r.second = x[i];
      r.second_index = (int32_t)i;
    }
  }
  if (r.invalid) {
    *result = (bw_logit_tile){.top_index = -1, .second_index = -1, .invalid = 1};
    return;
  }
  if (r.top > -INFINITY) {
    float sums[16] = {0}, weighted[16] = {0};
    // Rounded up to whole vectors with logits of minus infinity, as a vector variant does.
    for (ptrdiff_t i = 0; i < (count + 15) / 16 * 16; i++) {
      const float d = (i < count ? x[i] : -INFINITY) - r.top;
      const float e = bw_exp(d);
      sums[i % 16] += e;
      weighted[i % 16] = fmaf(e, e > 0 ? d : 0, weighted[i % 16]);
    }
    r.sum = bw_sum_lanes(sums);
    r.weighted = bw_sum_lanes(weighted);
  }
  *result = r;
}

static float score(const bw_row_attention *job, const float *query, const uint8_t *key) {
  float lanes[16] = {0};
  const ptrdiff_t dimension = job->head_dimension;
  for (ptrdiff_t i = 0; i < (dimension + 15) / 16 * 16; i++) {
    // Beyond the head the vector variants load zeros; the addition is not skipped because of signed zero.
    const float q = i < dimension ? query[i] : 0;
    const float k = i < dimension ? bw_cache_element(job->format, key, dimension, i) : 0;
    lanes[i % 16] = fmaf(q, k, lanes[i % 16]);
  }
  const float s = bw_sum_lanes(lanes) * job->scale;
  return job->soft_cap > 0 ? bw_soft_cap(s, job->soft_cap) : s;
}

static void attend_row(const bw_row_attention *job) {
  const ptrdiff_t dimension = job->head_dimension;
  for (ptrdiff_t head = 0; head < job->query_count; head++) {
    const float *query = job->queries + head * job->query_stride;
    float *output = job->output + head * job->output_stride;
    float *scores = job->scores;
    float largest = -INFINITY;
    ptrdiff_t index = 0;
    for (ptrdiff_t r = 0; r < job->run_count; r++) {
      for (ptrdiff_t i = 0; i < job->runs[r].count; i++, index++) {
        const float s = score(job, query, bw_slot(job, job->key_offset, job->runs[r].start + i));
        scores[index] = s;
        if (s > largest) largest = s;
      }
    }
    float sum = 0;
    for (ptrdiff_t i = 0; i < index; i++) {
      scores[i] = bw_exp(scores[i] - largest);
      sum += scores[i];
    }
    for (ptrdiff_t d = 0; d < dimension; d++) {
      float total = 0;
      index = 0;
      for (ptrdiff_t r = 0; r < job->run_count; r++) {
        for (ptrdiff_t i = 0; i < job->runs[r].count; i++, index++) {
          const uint8_t *value = bw_slot(job, job->value_offset, job->runs[r].start + i);
          total = fmaf(scores[index], bw_cache_element(job->format, value, dimension, d), total);
        }
      }
      output[d] = index > 0 ? total / sum : 0;
    }
  }
}

static void attend(const bw_attention *job) { bw_attend_each_row(job, attend_row); }

const bw_kernels *bw_scalar_kernels(void) {
  static const bw_kernels table = {
      .matmul = matmul,
      .quantize_rows = quantize_rows,
      .rms_norm = rms_norm,
      .layer_norm = layer_norm,
      .rotate_halves = rotate_halves,
      .rotate_pairs = rotate_pairs,
      .silu_multiply = silu_multiply,
      .add = add,
      .scale = scale,
      .soft_cap = soft_cap,
      .exponentials = exponentials,
      .encode_row = encode_row,
      .decode_row = decode_row,
      .reduce_logits = reduce_logits,
      .attend = attend,
  };
  return &table;
}
