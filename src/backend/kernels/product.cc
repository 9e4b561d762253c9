/* Products of few rows with a frozen matrix in BF16, which is read once, in the order in which it lies in memory: a step of sampling is bound by that. */
#include <type_traits>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "library.h"

namespace erpo {

/* Packed, a matrix [K, N] is a row of panels of 32 columns. A panel has, for two rows of the matrix at a time, the two numbers of each column side by side,
   as the processor's BF16 instruction takes them. Columns and rows that fill up the last panel and pair are 0. */
constexpr int64_t PANEL = 32, LANES = 16;
inline int64_t pairs(int64_t K) { return (K + 1) / 2; }
inline int64_t panels(int64_t N) { return (N + PANEL - 1) / PANEL; }

/** w [K, N] -> packed [panels, pairs, 32, 2] in BF16. */
struct Pack {
  explicit Pack(Attributes&) {}
  void run(Call& call) {
    TF_Tensor* in = call.input(0);
    const float* w = floats(in);
    const int64_t K = TF_Dim(in, 0), N = TF_Dim(in, 1), P = pairs(K);
    bf16* packed = call.output<bf16>(0, {panels(N), P, PANEL, 2}, BFLOAT16);
    parallel(panels(N), 2 * PANEL * K, [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; panel++) {
        bf16* to = packed + panel * P * PANEL * 2;
        for (int64_t k = 0; k < 2 * P; k++) {
          for (int64_t j = 0; j < PANEL; j++) {
            const int64_t column = panel * PANEL + j;
            to[(k / 2 * PANEL + j) * 2 + k % 2] = k < K && column < N ? narrow(w[k * N + column]) : 0;
          }
        }
      }
    });
  }
};

/** Sixteen sums, to which two products each are added at a time. */
struct Sums {
#if defined(__AVX512BF16__)
  __m512 lanes = _mm512_setzero_ps();
  void add(uint32_t pair, const bf16* w) {
    lanes = _mm512_dpbf16_ps(lanes, (__m512bh)_mm512_set1_epi32(static_cast<int>(pair)), (__m512bh)_mm512_loadu_si512(w));
  }
  void store(float* to) const { _mm512_storeu_ps(to, lanes); }
#else
  float lanes[LANES] = {};
  void add(uint32_t pair, const bf16* w) {
    const float a = widen(static_cast<bf16>(pair)), b = widen(static_cast<bf16>(pair >> 16));
#pragma omp simd
    for (int64_t i = 0; i < LANES; i++) lanes[i] += a * widen(w[2 * i]) + b * widen(w[2 * i + 1]);
  }
  void store(float* to) const { std::memcpy(to, lanes, sizeof lanes); }
#endif
};

/** x [M, K], packed matrix [K, N], behind [M, N] or [0] -> behind + x w [M, N]. x is rounded to BF16; sums are float32. */
struct Product {
  static constexpr int MOST = 12; // rows whose sums fit the processor's registers
  int N;
  explicit Product(Attributes& a) : N(a.integer("columns")) {}
  void run(Call& call) {
    TF_Tensor *in = call.input(0), *rest = call.input(2);
    const float* x = floats(in);
    const bf16* packed = call.data<bf16>(1);
    const int64_t M = TF_Dim(in, 0), K = TF_Dim(in, 1), P = pairs(K);
    const float* behind = size(rest) > 0 ? floats(rest) : nullptr;
    float* y = call.output(0, {M, N});
    std::vector<uint32_t> turned(P * M); // [pairs, M]
    for (int64_t m = 0; m < M; m++) {
      for (int64_t p = 0; p < P; p++) {
        const uint32_t low = narrow(x[m * K + 2 * p]), high = 2 * p + 1 < K ? narrow(x[m * K + 2 * p + 1]) : 0;
        turned[p * M + m] = low | high << 16;
      }
    }
    const int64_t blocks = (M + MOST - 1) / MOST;
    parallel(panels(N), PANEL * K * (M / 4 + 1), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; panel++) {
        const bf16* w = packed + panel * P * PANEL * 2;
        for (int64_t b = 0; b < blocks; b++) {
          const int64_t from = M * b / blocks, rows = M * (b + 1) / blocks - from;
          const int64_t at = from * N + panel * PANEL;
          block(rows, turned.data() + from, M, P, w, y + at, behind ? behind + at : nullptr, std::min(PANEL, N - panel * PANEL));
        }
      }
    });
  }

 private:
  /** Calls `fixed` with the number of rows as a constant of the compiler's. */
  template <int R = MOST, class... Rest>
  void block(int64_t rows, Rest... rest) {
    if constexpr (R > 0) {
      if (rows == R) fixed<R>(rest...);
      else block<R - 1>(rows, rest...);
    }
  }

  template <int R>
  void fixed(const uint32_t* x, int64_t M, int64_t P, const bf16* w, float* y, const float* behind, int64_t columns) {
    Sums sums[R][2];
    for (int64_t p = 0; p < P; p++, x += M, w += 2 * PANEL) {
      for (int r = 0; r < R; r++) {
        sums[r][0].add(x[r], w);
        sums[r][1].add(x[r], w + PANEL);
      }
    }
    for (int r = 0; r < R; r++) {
      float row[PANEL];
      sums[r][0].store(row), sums[r][1].store(row + LANES);
      for (int64_t j = 0; j < columns; j++) y[r * N + j] = row[j] + (behind ? behind[r * N + j] : 0.0f);
    }
  }
};

static Op<Pack> pack("ErpoPack", {"w: float"}, {"packed: bfloat16"});
static Op<Product> product("ErpoProduct", {"x: float", "w: bfloat16", "behind: float"}, {"y: float"}, {"columns: int"});

}  // namespace erpo
