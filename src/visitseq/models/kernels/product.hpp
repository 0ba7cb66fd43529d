// C = C + A B, where B is packed first.
//
//     A  rows x depth    states of a step, inputs or gradients of all steps
//     B  depth x width   a weight that is used at every step, or the inputs of all steps
//     C  rows x width    what the product is added to
//
// B is cut into panels of VECTORS registers' width, and each panel is stored row by row, so that it
// is read from end to end. A tile of up to ROWS rows of C stands in registers while the product
// runs over the depth. A row of C is summed in the same order whatever the other rows are, so that
// a patient's state does not depend on who else is in the batch.
//
// In half precision A and B are rounded to bfloat16 and the sums are kept in float32. Processors
// with AVX512_BF16 add the products of two pairs at once, so two rows of B, and two numbers of a
// row of A, lie side by side in one 32-bit word. Elsewhere the rounded numbers are multiplied as
// float32: the same result, but for the order of the sums, and no faster.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "vectors.hpp"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

// ROWS x VECTORS sums, a row of B and a number of A fit the registers: 32 with AVX-512, else 16.
constexpr int VECTORS = 2;
constexpr int ROWS = LANES == 16 ? 12 : 6;
constexpr int PANEL = VECTORS * LANES;
// Rows of A that are taken through all panels together, so that they stay in the cache.
constexpr int64_t BLOCK = 8 * ROWS;
// Rows of A and B that are multiplied at once where the depth is that of all steps.
constexpr int64_t SLICE = 256;

static inline int64_t whole_vectors(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

// How a number is found at k and i: place[i * across + k * along].
template <class Number> struct Strided {
  const Number *place;
  int64_t across, along;

  Strided from(int64_t i) const { return {place + i * across, across, along}; }
};

static inline void add_product(Vector &sum, float left, const float *right) {
  sum += left * load(right);
}

#if defined(__AVX512BF16__)
using Pair = uint32_t;

static inline void add_product(Vector &sum, Pair left, const Pair *right) {
  sum = (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int32_t)left),
                                 (__m512bh)_mm512_loadu_si512(right));
}
#endif

template <int rows, int vectors, class Number>
static void tile(Strided<Number> a, const Number *b, float *c, int64_t c_stride, int64_t depth) {
  Vector sum[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      sum[i][v] = load(c + i * c_stride + v * LANES);
  for (int64_t k = 0; k < depth; k++, b += vectors * LANES)
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const Number left = a.place[i * a.across + k * a.along];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++)
        add_product(sum[i][v], left, b + v * LANES);
    }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      store(c + i * c_stride + v * LANES, sum[i][v]);
}

// The tile with as many rows as there are: what the compiler unrolls, it has to know.
template <int vectors, int rows, class Number>
static inline void tile_of(int64_t wanted, Strided<Number> a, const Number *b, float *c,
                           int64_t c_stride, int64_t depth) {
  if constexpr (rows > 1)
    if (wanted < rows)
      return tile_of<vectors, rows - 1>(wanted, a, b, c, c_stride, depth);
  tile<rows, vectors>(a, b, c, c_stride, depth);
}

// A tile whose last vector hangs over the end of C goes by way of a copy.
template <class Number>
static void overhanging_tile(int64_t rows, int64_t width, Strided<Number> a, const Number *b,
                             float *c, int64_t c_stride, int64_t depth) {
  float sums[ROWS * PANEL] = {};
  const int64_t breadth = whole_vectors(width);
  for (int64_t i = 0; i < rows; i++)
    std::memcpy(sums + i * breadth, c + i * c_stride, width * sizeof(float));
  if (breadth == PANEL)
    tile_of<VECTORS, ROWS>(rows, a, b, sums, breadth, depth);
  else
    tile_of<1, ROWS>(rows, a, b, sums, breadth, depth);
  for (int64_t i = 0; i < rows; i++)
    std::memcpy(c + i * c_stride, sums + i * breadth, width * sizeof(float));
}

// Height of the next tile of the `left` rows. GCC spills the pairs of 9 to 11 rows (at half the
// speed), so those go as two tiles.
static inline int64_t height(int64_t left) {
  return left >= ROWS ? ROWS : left > 8 ? (left + 1) / 2 : left;
}

// Up to BLOCK rows of A through all panels of B.
template <class Number>
static void multiply_block(Strided<Number> a, const Number *b, float *c, int64_t c_stride,
                           int64_t rows, int64_t depth, int64_t width) {
  for (int64_t column = 0; column < width; column += PANEL)
    for (int64_t first = 0, some; first < rows; first += some) {
      some = height(rows - first);
      const Number *panel = b + column * depth;
      float *sums = c + first * c_stride + column;
      if (width - column >= PANEL)
        tile_of<VECTORS, ROWS>(some, a.from(first), panel, sums, c_stride, depth);
      else
        overhanging_tile(some, width - column, a.from(first), panel, sums, c_stride, depth);
    }
}

// bfloat16 is the upper half of a float32; rounded to the nearest, ties to even.
static inline uint32_t to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

#if defined(__AVX512BF16__)
using Half = Pair;
constexpr int64_t PAIRED = 2;

static inline Pair rounded(Strided<float> a, int64_t k, int64_t depth, int64_t i) {
  const float first = a.place[i * a.across + k * a.along];
  const float second = k + 1 < depth ? a.place[i * a.across + (k + 1) * a.along] : 0.0f;
  return to_half(second) << 16 | to_half(first);
}
#else
using Half = float;
constexpr int64_t PAIRED = 1;

static inline float rounded(Strided<float> a, int64_t k, int64_t, int64_t i) {
  const uint32_t bits = to_half(a.place[i * a.across + k * a.along]) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
#endif

static inline float as_it_is(Strided<float> a, int64_t k, int64_t, int64_t i) {
  return a.place[i * a.across + k * a.along];
}

// Packs B into panels; the overhang of the last one is 0.
template <class Number, class Read>
static void pack_panels(Strided<float> b, int64_t depth, int64_t width, int64_t step, Read read,
                        Number *packed) {
  for (int64_t column = 0; column < width; column += PANEL) {
    const int64_t breadth = std::min<int64_t>(PANEL, whole_vectors(width - column));
    for (int64_t k = 0; k < depth; k += step)
      for (int64_t j = 0; j < breadth; j++)
        *packed++ = column + j < width ? read(b, k, depth, column + j) : Number{};
  }
}

static inline int64_t half_depth(int64_t depth) { return (depth + PAIRED - 1) / PAIRED; }

// Rounds rows of A, which lie `a_stride` floats apart, for the tile.
static void round_rows(const float *a, int64_t a_stride, int64_t rows, int64_t depth,
                       std::vector<Half> &room) {
  const int64_t words = half_depth(depth);
  room.resize(rows * words);
  for (int64_t i = 0; i < rows; i++) {
    int64_t k = 0;
#if defined(__AVX512BF16__)
    for (; k + LANES <= depth; k += LANES)
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(&room[i * words + k / PAIRED]),
                          (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(a + i * a_stride + k)));
#endif
    for (; k < depth; k += PAIRED)
      room[i * words + k / PAIRED] = rounded({a, a_stride, 1}, k, depth, i);
  }
}

// A packed weight.
struct Weight {
  const void *packed;
  int64_t depth, width;
  bool half;

  // C += A B for `rows` rows of A, which lie `a_stride` floats apart.
  void multiply(const float *a, int64_t a_stride, float *c, int64_t c_stride, int64_t rows) const {
    std::vector<Half> room;
    for (int64_t first = 0; first < rows; first += BLOCK) {
      const int64_t some = std::min(BLOCK, rows - first);
      const Strided<float> left{a + first * a_stride, a_stride, 1};
      float *sums = c + first * c_stride;
      if (half) {
        round_rows(left.place, a_stride, some, depth, room);
        const Strided<Half> short_left{room.data(), half_depth(depth), 1};
        multiply_block(short_left, static_cast<const Half *>(packed), sums, c_stride, some,
                       half_depth(depth), width);
      } else {
        multiply_block(left, static_cast<const float *>(packed), sums, c_stride, some, depth,
                       width);
      }
    }
  }
};

// C += A' B over `depth` rows of A and B, a slice at a time: the gradient of a weight.
template <class Number, class Read>
static void multiply_transposed(Strided<float> a, Strided<float> b, float *c, int64_t rows,
                                int64_t depth, int64_t width, int64_t step, Read read) {
  std::vector<Number> left(whole_vectors(rows) * SLICE), right(whole_vectors(width) * SLICE);
  for (int64_t first = 0; first < depth; first += SLICE) {
    const int64_t some = std::min(SLICE, depth - first), words = (some + step - 1) / step;
    const Strided<float> a_slice{a.place + first * a.along, a.across, a.along};
    const Strided<float> b_slice{b.place + first * b.along, b.across, b.along};
    pack_panels(b_slice, some, width, step, read, right.data());
    for (int64_t k = 0; k < words; k++)
      for (int64_t i = 0; i < rows; i++)
        left[k * rows + i] = read(a_slice, k * step, some, i);
    for (int64_t row = 0; row < rows; row += BLOCK)
      multiply_block(Strided<Number>{left.data() + row, 1, rows}, right.data(), c + row * width,
                     width, std::min(BLOCK, rows - row), words, width);
  }
}
