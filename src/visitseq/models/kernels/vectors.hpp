// Vectors of floats as GCC and Clang have them, and the functions of the gates on them.
//
// One source for all machines: LANES is the width of the registers that the compiler was told of
// (16 floats with AVX-512, 8 with AVX2, else 4), and the arithmetic is written on whole vectors.
#pragma once

#include <cstdint>

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

// Of float's alignment: rows of a tensor begin anywhere.
typedef float Vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t Mask __attribute__((vector_size(LANES * 4)));

static inline Vector load(const float *place) { return *reinterpret_cast<const Vector *>(place); }

static inline void store(float *place, Vector values) {
  *reinterpret_cast<Vector *>(place) = values;
}

static inline Vector all(float value) { return Vector{} + value; }

// exp(x) to 2 units in the last place, for x in [-87, 88] (outside, its value at the nearer end):
// x = n ln 2 + r with |r| <= ln(2) / 2, and exp(x) = 2^n exp(r) with exp(r) by the polynomial of
// Cephes (Moshier, expf).
static inline Vector exponential(Vector x) {
  x = x > 88.0f ? all(88.0f) : x;
  x = x < -87.0f ? all(-87.0f) : x;
  const float round = 12582912.0f; // 1.5 * 2^23: adding it leaves no place for a fraction
  const Vector shifted = x * 1.44269504f + round;
  const Vector n = shifted - round;
  const Vector r = x - n * 0.693359375f + n * 2.12194440e-4f; // ln 2 in two parts
  Vector power = all(1.9875691500e-4f);
  power = power * r + 1.3981999507e-3f;
  power = power * r + 8.3334519073e-3f;
  power = power * r + 4.1665795894e-2f;
  power = power * r + 1.6666665459e-1f;
  power = power * r + 5.0000001201e-1f;
  power = power * r * r + r + 1.0f;
  const Mask exponent = (Mask)shifted << 23; // the low bits of `shifted` hold n
  return (Vector)((Mask)power + exponent);
}

static inline Vector logistic(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

// tanh(x) to 2 units in the last place: near 0 Cephes' polynomial (tanhf), where 1 - exp would
// cancel; elsewhere (1 - e) / (1 + e) with e = exp(-2 |x|).
static inline Vector hyperbolic_tangent(Vector x) {
  const Vector size = x < 0.0f ? -x : x;
  const Vector e = exponential(-2.0f * size);
  const Vector far = (1.0f - e) / (1.0f + e);
  const Vector square = x * x;
  Vector near = all(-5.70498872745e-3f);
  near = near * square + 2.06390887954e-2f;
  near = near * square - 5.37397155531e-2f;
  near = near * square + 1.33314422036e-1f;
  near = near * square - 3.33332819422e-1f;
  near = near * square * x + x;
  return size < 0.625f ? near : (x < 0.0f ? -far : far);
}
