#include "harness.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// MARK: - Random inputs

static uint64_t random_state;

void seed_random(uint64_t seed) { random_state = seed; }

uint64_t next_random(void) {
  // SplitMix64.
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int between(int lowest, int highest) {
  return lowest + (int)((next_random() >> 33) % (uint64_t)(highest - lowest + 1));
}

int one_in(int n) { return between(1, n) == 1; }

float uniform(float magnitude) { return ((float)(next_random() >> 40) * 0x1p-23f - 1.0f) * magnitude; }

static float special(void) {
  static const float values[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -127.0f, 65504.0f, 65520.0f};
  return one_in(3) ? values[between(0, 8)] : uniform(4);
}

/// One number of any size between two powers of two.
static float scaled(int lowest_power, int highest_power) {
  const float fraction = uniform(1);
  return ldexpf(fraction, between(lowest_power, highest_power));
}

void fill(float *x, ptrdiff_t count, distribution kind) {
  for (ptrdiff_t i = 0; i < count; i++) {
    switch (kind) {
      case PLAIN: x[i] = uniform(3); break;
      case WIDE: x[i] = scaled(-40, 20); break;
      // A largest magnitude of 127 makes the scale 1, so that these are halfway between two codes.
      case TIES: x[i] = i % 32 == 0 ? 127.0f : (float)between(-127, 126) + 0.5f; break;
      case TINY: x[i] = scaled(-149, -95); break;
      default: x[i] = special(); break;
    }
  }
}

distribution any_finite(void) { return (distribution)between(PLAIN, TINY); }

uint16_t finite_half(void) {
  uint16_t half = (uint16_t)next_random();
  if ((half & 0x7c00u) == 0x7c00u) half ^= 0x4000u;
  return half;
}

uint16_t finite_bfloat(void) {
  // Exponents around 1: products of larger ones would leave the range of f32.
  const unsigned exponent = (unsigned)between(100, 140);
  return (uint16_t)((next_random() & 0x807fu) | exponent << 7);
}

void fill_bytes(void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) ((uint8_t *)bytes)[i] = (uint8_t)next_random();
}

// MARK: - Buffers

static struct {
  void *base;
  size_t length;
} mappings[256];
static int mapping_count;

void *guarded(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t usable = (bytes + page - 1) / page * page;
  uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || mapping_count == 256 || mprotect(base + usable, page, PROT_NONE) != 0) {
    perror("memory");
    exit(2);
  }
  mappings[mapping_count].base = base;
  mappings[mapping_count++].length = usable + page;
  memset(base, 0xa5, usable);
  return base + usable - bytes;
}

void release_all(void) {
  while (mapping_count > 0) {
    mapping_count--;
    munmap(mappings[mapping_count].base, mappings[mapping_count].length);
  }
}

// MARK: - Results

static char description[400];
static uint64_t digest_state = 0xcbf29ce484222325u;
static long comparisons;

void describe(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(description, sizeof description, format, arguments);
  va_end(arguments);
}

static size_t width(element kind) { return kind == FLOATS ? 4 : kind == BYTES ? 1 : 2; }

/// The bits of element i, all NaN the same.
static uint32_t bits(element kind, const void *from, size_t i) {
  uint32_t value = 0;
  memcpy(&value, (const uint8_t *)from + i * width(kind), width(kind));
  const uint32_t infinity = kind == FLOATS ? 0x7f800000u : kind == HALVES ? 0x7c00u : 0x7f80u;
  const uint32_t magnitude = kind == FLOATS ? value & 0x7fffffffu : value & 0x7fffu;
  return kind != BYTES && magnitude > infinity ? infinity + 1 : value;
}

void expect_same(const char *name, element kind, const void *expected, const void *found, size_t count) {
  comparisons++;
  if (memcmp(expected, found, count) == 0) return;
  for (size_t i = 0; i < count / width(kind); i++) {
    const uint32_t wanted = bits(kind, expected, i), got = bits(kind, found, i);
    if (wanted == got) continue;
    printf("%s differs from scalar in %s\n", name, description);
    printf("  element %zu: 0x%08x, scalar has 0x%08x\n", i, (unsigned)got, (unsigned)wanted);
    if (kind == FLOATS) {
      float numbers[2];
      memcpy(&numbers[0], (const uint8_t *)found + 4 * i, 4);
      memcpy(&numbers[1], (const uint8_t *)expected + 4 * i, 4);
      printf("  as numbers: %.9g, scalar has %.9g\n", (double)numbers[0], (double)numbers[1]);
    }
    exit(1);
  }
}

void digest(element kind, const void *from, size_t count) {
  for (size_t i = 0; i < count / width(kind); i++) digest_state = (digest_state ^ bits(kind, from, i)) * 0x100000001b3u;
}

uint64_t digest_so_far(void) { return digest_state; }

long comparison_count(void) { return comparisons; }

// MARK: - Main

variant variants[4];
int variant_count;

static void add_variant(const char *name, const bw_kernels *kernels) {
  if (kernels) variants[variant_count++] = (variant){name, kernels};
}

static void on_fault(int signal_number) {
  (void)signal_number;
  // Only what may be called here.
  const char text[] = "access beyond a buffer in ";
  ssize_t written = write(1, text, sizeof text - 1);
  written += write(1, description, strlen(description));
  written += write(1, "\n", 1);
  _exit(written > 0 ? 1 : 2);
}

/// compare_variants SEED ROUNDS [VARIANT…]: fails where one of the named variants does not run.
int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: %s SEED ROUNDS [VARIANT...]\n", arguments[0]);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  const unsigned long long seed = strtoull(arguments[1], NULL, 0);
  const int rounds = atoi(arguments[2]);
  add_variant("avx2", bw_avx2_kernels());
  add_variant("avx512", bw_avx512_kernels());
  add_variant("neon", bw_neon_kernels());
  printf("seed %llu, %d rounds, scalar against", seed, rounds);
  for (int i = 0; i < variant_count; i++) printf(" %s", variants[i].name);
  printf(variant_count ? "\n" : " nothing\n");
  for (int i = 3; i < count; i++) {
    int runs = 0;
    for (int v = 0; v < variant_count; v++) runs |= strcmp(variants[v].name, arguments[i]) == 0;
    if (!runs) {
      printf("%s does not run here\n", arguments[i]);
      return 1;
    }
  }
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  seed_random(seed);
  compare_products(rounds);
  compare_rows(rounds);
  compare_attention(rounds);
  digest_formats(rounds);
  printf("%ld comparisons, no difference\n", comparison_count());
  printf("digest %016llx\n", (unsigned long long)digest_so_far());
  return 0;
}
