// How the AVX-512 variant goes through the tiles and rows of a product. To be included behind the definition of `block`, the
// product of R rows with T tiles, which it calls with constants.
#if defined(__x86_64__)

// Bytes of weights that stay in the second-level cache while all rows are multiplied with them, and while the next as many
// arrive.
enum { UNIT_BYTES = 192 << 10 };

/// Up to so many rows are multiplied faster than their weights arrive.
enum { FEW_ROWS = 2 };

/// Tiles [first, end) of a unit, and of its rows block `index` of `count`; the next unit begins at tile `following`, and
/// nothing of it is fetched for the next `pause` groups.
typedef struct {
  ptrdiff_t first, end, following;
  ptrdiff_t index, count;
  ptrdiff_t pause;
} unit;

/// One and two rows are faster on Intel's processors without prefetches, more rows with them (docs/performance.md).
static int reads_ahead_by_itself(void) { return __builtin_cpu_is("intel"); }

/// R rows of the tiles of a unit, T at a time.
BW_AVX512_INLINE void rows_of_unit(
    int32_t format, int is_int8, int R, int T, const bw_matmul *job, const unit *u, ptrdiff_t row) {
  ptrdiff_t tile = u->first;
  for (; tile + T <= u->end; tile += T) {
    const ptrdiff_t part = T * job->tile_bytes / u->count;
    const uint8_t *following = (const uint8_t *)job->packed + (u->following + tile - u->first) * job->tile_bytes;
    block(format, is_int8, R, T, job, tile, row, (bw_ahead){following + u->index * part, u->pause, u->count});
  }
  for (; tile < u->end; tile++) {
    const ptrdiff_t part = job->tile_bytes / u->count;
    const uint8_t *following = (const uint8_t *)job->packed + (u->following + tile - u->first) * job->tile_bytes;
    block(format, is_int8, R, 1, job, tile, row, (bw_ahead){following + u->index * part, u->pause, u->count});
  }
}

/// All rows of the tiles [first, end).
BW_AVX512_INLINE void all_rows(
    int32_t format, int is_int8, const bw_matmul *job, ptrdiff_t first, ptrdiff_t end) {
  // Units of nearly equal size, so that each fetches all of the next.
  const ptrdiff_t fitting = UNIT_BYTES / job->tile_bytes, tiles = end - first;
  const ptrdiff_t units = fitting < 4 ? (tiles + 3) / 4 : (tiles + fitting - 1) / fitting;
  const ptrdiff_t width = units > 0 ? ((tiles + units - 1) / units + 3) / 4 * 4 : 4;
  unit u = {.first = first, .count = (job->row_count + 7) / 8};
  if (job->row_count <= FEW_ROWS && reads_ahead_by_itself()) u.pause = PTRDIFF_MAX;
  for (; u.first < end; u.first = u.end) {
    u.end = u.first + width < end ? u.first + width : end;
    u.following = u.end;
    u.index = 0;
    ptrdiff_t row = 0;
    for (; row + 8 <= job->row_count; row += 8, u.index++) rows_of_unit(format, is_int8, 8, 2, job, &u, row);
    switch (job->row_count - row) {
      case 7: rows_of_unit(format, is_int8, 7, 2, job, &u, row); break;
      case 6: rows_of_unit(format, is_int8, 6, 2, job, &u, row); break;
      case 5: rows_of_unit(format, is_int8, 5, 2, job, &u, row); break;
      case 4: rows_of_unit(format, is_int8, 4, 2, job, &u, row); break;
      case 3: rows_of_unit(format, is_int8, 3, 2, job, &u, row); break;
      case 2: rows_of_unit(format, is_int8, 2, 4, job, &u, row); break;
      case 1: rows_of_unit(format, is_int8, 1, 4, job, &u, row); break;
      default: break;
    }
  }
}

#endif
