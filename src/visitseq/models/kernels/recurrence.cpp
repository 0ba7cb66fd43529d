// The recurrences of RNN, GRU and LSTM over packed sequences, forward and back.
//
// The Python side (../recurrence.py) has multiplied the inputs of all steps by their weights and
// will multiply the gradients; here is what cannot be done for all steps at once. A step t takes
// the rows that have a visit t, which are the first sizes[t] rows of the batch; they stand from
// row offsets[t] on in every array of visits. The recurrence runs over the steps up or, of the
// backward direction of a network, down; `state` holds the state of every row of the batch, so
// that a row that has ended keeps its last one, and one that has not begun its first.
//
// Equations: ../reference/{rnn,gru,lstm}.py, whose names are kept. Gates lie in torch's order:
// GRU r z n, LSTM i f g o. Going back, the gates are overwritten by the gradients of their sums.
//
//     sizes, offsets, count, down      the steps
//     hidden                           a multiple of lanes(): Python pads with units that stay 0
//     gates   visits x gates*hidden    in: U x + biases; then the gates; then their gradients
//     previous  visits x hidden        h_(t-1) of each visit
//     state, carry  rows x hidden      in: h_0, the gradient of h_T; out: h_T, the gradient of h_0
#include "product.hpp"

namespace {

struct Steps {
  const int64_t *sizes, *offsets;
  int64_t count, down;

  int64_t at(int64_t number) const { return down ? count - 1 - number : number; }
};

void copy_rows(float *to, const float *from, int64_t rows, int64_t hidden) {
  std::memcpy(to, from, rows * hidden * sizeof(float));
}

// f(row, first unit) for every vector of a step.
template <class Function> void each_vector(int64_t rows, int64_t hidden, Function f) {
  for (int64_t row = 0; row < rows; row++)
    for (int64_t unit = 0; unit < hidden; unit += LANES)
      f(row, unit);
}

} // namespace

extern "C" {

// Raised in __init__.py, too, whenever a function here takes other arguments.
int64_t interface() { return 3; }

int64_t lanes() { return LANES; }

// Packs a weight: B[k, column] = weight[k * k_stride + column * column_stride]. It takes
// packed_size(depth, width) words of 32 bits.
int64_t packed_size(int64_t depth, int64_t width) { return depth * whole_vectors(width); }

void pack(const float *weight, int64_t k_stride, int64_t column_stride, int64_t depth,
          int64_t width, int64_t half, void *packed) {
  const Strided<float> b{weight, column_stride, k_stride};
  if (half)
    pack_panels(b, depth, width, PAIRED, rounded, static_cast<Half *>(packed));
  else
    pack_panels(b, depth, width, 1, as_it_is, static_cast<float *>(packed));
}

// C = A B + bias, A rows x depth with `a_stride` floats from row to row, B packed, C rows x width.
void product(const float *a, int64_t a_stride, const void *packed, int64_t half, int64_t rows,
             int64_t depth, int64_t width, const float *bias, float *c) {
  const Weight B{packed, depth, width, half != 0};
  for (int64_t first = 0; first < rows; first += BLOCK) {
    const int64_t some = std::min(BLOCK, rows - first);
    for (int64_t row = first; row < first + some; row++)
      copy_rows(c + row * width, bias, 1, width);
    B.multiply(a + first * a_stride, a_stride, c + first * width, width, some);
  }
}

// C += A' B, A depth x rows and B depth x width with strides from row to row, C rows x width.
void transposed_product(const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                        int64_t half, int64_t rows, int64_t depth, int64_t width, float *c) {
  const Strided<float> left{a, 1, a_stride}, right{b, 1, b_stride};
  if (half)
    multiply_transposed<Half>(left, right, c, rows, depth, width, PAIRED, rounded);
  else
    multiply_transposed<float>(left, right, c, rows, depth, width, 1, as_it_is);
}

// h_t = f(z_t), z_t = U x_t + W h_(t-1) + b1, with f = tanh or max(z, 0).
void rnn_forward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                 int64_t hidden, const void *packed, int64_t half, int64_t relu,
                 float *gates, float *previous, float *state) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, hidden, hidden, half != 0};
  for (int64_t number = 0; number < count; number++) {
    const int64_t t = steps.at(number), rows = sizes[t];
    float *h = gates + offsets[t] * hidden, *before = previous + offsets[t] * hidden;
    copy_rows(before, state, rows, hidden);
    W.multiply(before, hidden, h, hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      const Vector z = load(h + place);
      // Written so that what is no number stays none, and training sees that it diverged.
      const Vector now = relu ? (z < 0.0f ? all(0.0f) : z) : hyperbolic_tangent(z);
      store(h + place, now);
      store(state + place, now);
    });
  }
}

// grad z_t = f'(z_t) * grad h_t, grad h_(t-1) = W' grad z_t + what the output asks of it.
void rnn_backward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                  int64_t hidden, const void *packed, int64_t half, int64_t relu,
                  const float *states, float *gradients, float *carry) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, hidden, hidden, half != 0};
  for (int64_t number = count - 1; number >= 0; number--) {
    const int64_t t = steps.at(number), rows = sizes[t];
    const float *h = states + offsets[t] * hidden;
    float *gradient = gradients + offsets[t] * hidden;
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      const Vector now = load(h + place), grad_h = load(gradient + place) + load(carry + place);
      const Vector slope = relu ? (now > 0.0f ? all(1.0f) : all(0.0f)) : 1.0f - now * now;
      store(gradient + place, slope * grad_h);
      store(carry + place, all(0.0f));
    });
    W.multiply(gradient, hidden, carry, hidden, rows);
  }
}

// n_t = tanh(U_n x_t + b_n + r_t * (W_n h_(t-1) + c_n)), h_t = (1 - z_t) * n_t + z_t * h_(t-1).
// `packed` holds W_r and W_z as one weight, `packed_new` holds W_n; `seen` gets W_n h_(t-1) + c_n.
void gru_forward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                 int64_t hidden, const void *packed, const void *packed_new, int64_t half,
                 const float *c_n, float *gates, float *previous, float *seen,
                 float *h, float *state) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, hidden, 2 * hidden, half != 0};
  const Weight W_n{packed_new, hidden, hidden, half != 0};
  for (int64_t number = 0; number < count; number++) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    float *gate = gates + 3 * first, *before = previous + first, *m = seen + first;
    copy_rows(before, state, rows, hidden);
    for (int64_t row = 0; row < rows; row++)
      copy_rows(m + row * hidden, c_n, 1, hidden);
    W.multiply(before, hidden, gate, 3 * hidden, rows);
    W_n.multiply(before, hidden, m, hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector r = logistic(load(own)), z = logistic(load(own + hidden));
      const Vector n = hyperbolic_tangent(load(own + 2 * hidden) + r * load(m + place));
      const Vector now = n + z * (load(before + place) - n);
      store(own, r);
      store(own + hidden, z);
      store(own + 2 * hidden, n);
      store(h + first + place, now);
      store(state + place, now);
    });
  }
}

// `seen` gets the gradient of W_n h_(t-1) + c_n.
void gru_backward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                  int64_t hidden, const void *packed, const void *packed_new, int64_t half,
                  const float *gradients, float *gates, const float *previous, float *seen,
                  float *carry) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, 2 * hidden, hidden, half != 0};
  const Weight W_n{packed_new, hidden, hidden, half != 0};
  for (int64_t number = count - 1; number >= 0; number--) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    float *gate = gates + 3 * first, *m = seen + first;
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector r = load(own), z = load(own + hidden), n = load(own + 2 * hidden);
      const Vector grad_h = load(gradients + first + place) + load(carry + place);
      const Vector grad_n = grad_h * (1.0f - z) * (1.0f - n * n);
      store(own, grad_n * load(m + place) * r * (1.0f - r));
      store(own + hidden, grad_h * (load(previous + first + place) - n) * z * (1.0f - z));
      store(own + 2 * hidden, grad_n);
      store(m + place, grad_n * r);
      store(carry + place, grad_h * z);
    });
    W.multiply(gate, 3 * hidden, carry, hidden, rows);
    W_n.multiply(m, hidden, carry, hidden, rows);
  }
}

// n_t = tanh(U_n x_t + b_n + W_n (r_t * h_(t-1))): reset before the product, as the papers.
// `reset` gets r_t * h_(t-1).
void gru_before_forward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                        int64_t hidden, const void *packed, const void *packed_new, int64_t half,
                        float *gates, float *previous, float *reset, float *h, float *state) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, hidden, 2 * hidden, half != 0};
  const Weight W_n{packed_new, hidden, hidden, half != 0};
  for (int64_t number = 0; number < count; number++) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    float *gate = gates + 3 * first, *before = previous + first, *m = reset + first;
    copy_rows(before, state, rows, hidden);
    W.multiply(before, hidden, gate, 3 * hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector r = logistic(load(own));
      store(own, r);
      store(own + hidden, logistic(load(own + hidden)));
      store(m + place, r * load(before + place));
    });
    W_n.multiply(m, hidden, gate + 2 * hidden, 3 * hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector z = load(own + hidden), n = hyperbolic_tangent(load(own + 2 * hidden));
      const Vector now = n + z * (load(before + place) - n);
      store(own + 2 * hidden, n);
      store(h + first + place, now);
      store(state + place, now);
    });
  }
}

// `through` is room for the gradient of r_t * h_(t-1), rows x hidden.
void gru_before_backward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                         int64_t hidden, const void *packed, const void *packed_new, int64_t half,
                         const float *gradients, float *gates, const float *previous,
                         float *through, float *carry) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, 2 * hidden, hidden, half != 0};
  const Weight W_n{packed_new, hidden, hidden, half != 0};
  for (int64_t number = count - 1; number >= 0; number--) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    const float *before = previous + first;
    float *gate = gates + 3 * first;
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector z = load(own + hidden), n = load(own + 2 * hidden);
      const Vector grad_h = load(gradients + first + place) + load(carry + place);
      store(own + hidden, grad_h * (load(before + place) - n) * z * (1.0f - z));
      store(own + 2 * hidden, grad_h * (1.0f - z) * (1.0f - n * n));
      store(carry + place, grad_h * z);
      store(through + place, all(0.0f));
    });
    W_n.multiply(gate + 2 * hidden, 3 * hidden, through, hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 3 * hidden + unit;
      const Vector r = load(own), asked = load(through + place);
      store(own, asked * load(before + place) * r * (1.0f - r));
      store(carry + place, load(carry + place) + asked * r);
    });
    W.multiply(gate, 3 * hidden, carry, hidden, rows);
  }
}

// c_t = f_t * c_(t-1) + i_t * g_t, h_t = o_t * tanh(c_t). `cells` gets c_(t-1), `bent` tanh(c_t).
void lstm_forward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                  int64_t hidden, const void *packed, int64_t half, float *gates,
                  float *previous, float *cells, float *bent, float *h, float *state,
                  float *cell_state) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, hidden, 4 * hidden, half != 0};
  for (int64_t number = 0; number < count; number++) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    float *gate = gates + 4 * first, *before = previous + first;
    copy_rows(before, state, rows, hidden);
    copy_rows(cells + first, cell_state, rows, hidden);
    W.multiply(before, hidden, gate, 4 * hidden, rows);
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 4 * hidden + unit;
      const Vector i = logistic(load(own)), f = logistic(load(own + hidden));
      const Vector g = hyperbolic_tangent(load(own + 2 * hidden));
      const Vector o = logistic(load(own + 3 * hidden));
      const Vector c = f * load(cell_state + place) + i * g, tanh_c = hyperbolic_tangent(c);
      store(own, i);
      store(own + hidden, f);
      store(own + 2 * hidden, g);
      store(own + 3 * hidden, o);
      store(bent + first + place, tanh_c);
      store(cell_state + place, c);
      store(h + first + place, o * tanh_c);
      store(state + place, o * tanh_c);
    });
  }
}

void lstm_backward(const int64_t *sizes, const int64_t *offsets, int64_t count, int64_t down,
                   int64_t hidden, const void *packed, int64_t half,
                   const float *gradients, float *gates, const float *cells, const float *bent,
                   float *carry, float *cell_carry) {
  const Steps steps{sizes, offsets, count, down};
  const Weight W{packed, 4 * hidden, hidden, half != 0};
  for (int64_t number = count - 1; number >= 0; number--) {
    const int64_t t = steps.at(number), rows = sizes[t], first = offsets[t] * hidden;
    float *gate = gates + 4 * first;
    each_vector(rows, hidden, [&](int64_t row, int64_t unit) {
      const int64_t place = row * hidden + unit;
      float *own = gate + row * 4 * hidden + unit;
      const Vector i = load(own), f = load(own + hidden), g = load(own + 2 * hidden);
      const Vector o = load(own + 3 * hidden), tanh_c = load(bent + first + place);
      const Vector grad_h = load(gradients + first + place) + load(carry + place);
      const Vector grad_c = load(cell_carry + place) + grad_h * o * (1.0f - tanh_c * tanh_c);
      store(own, grad_c * g * i * (1.0f - i));
      store(own + hidden, grad_c * load(cells + first + place) * f * (1.0f - f));
      store(own + 2 * hidden, grad_c * i * (1.0f - g * g));
      store(own + 3 * hidden, grad_h * tanh_c * o * (1.0f - o));
      store(cell_carry + place, grad_c * f);
      store(carry + place, all(0.0f));
    });
    W.multiply(gate, 4 * hidden, carry, hidden, rows);
  }
}

} // extern "C"
