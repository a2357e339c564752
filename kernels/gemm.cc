#include "kernels/gemm.h"

#include <atomic>

#include "kernels/gemm_blocked.h"
#include "kernels/gemm_mirror.h"
#include "kernels/gemm_onednn.h"

namespace palimpsest {

constinit Kernel<void(const GemmArgs&)> gemm("gemm");

namespace {

std::atomic<bool> tf32_allowed = false;

template <typename S, typename T, typename Out>
void Blocked(const GemmArgs& g) {
  gemm_tile::BlockedGemm<S, T, Out>(g).Run();
}

void Product(const GemmArgs& g) {
  if (g.dtype == DType::kF64) return Blocked<double, double, double>(g);
  if (g.dtype == DType::kF32) return Blocked<float, float, float>(g);
  PALIMPSEST_CHECK(g.dtype == DType::kBf16) << "gemm of " << g.dtype;
  if (GemmOnednn(g)) return;
  if (g.out == DType::kF32) return Blocked<Bf16, float, float>(g);
  return Blocked<Bf16, float, Bf16>(g);
}

void GemmCpu(const GemmArgs& g) {
  PALIMPSEST_CHECK(!g.symmetric || g.m == g.n) << g.m << " x " << g.n << " is not symmetric";
  Product(g);
  if (!g.symmetric) return;
  switch (SizeOf(g.out)) {
    case 2: return gemm_tile::Mirror<int16_t>(g);
    case 4: return gemm_tile::Mirror<float>(g);
    default: return gemm_tile::Mirror<double>(g);
  }
}

PALIMPSEST_REGISTER_KERNEL(gemm, kCpu, GemmCpu);

template <typename T, typename Out>
void Reference(const GemmArgs& g) {
  for (int64_t item = 0; item < g.batch[0] * g.batch[1]; ++item) {
    const T* a = static_cast<const T*>(g.a.data) + GemmOffset(g, g.a, item);
    const T* b = static_cast<const T*>(g.b.data) + GemmOffset(g, g.b, item);
    const int64_t at = GemmOffset(g, g.c, item);
    Out* c = static_cast<Out*>(g.c.data) + at;
    const Out* add = g.add == nullptr ? nullptr : static_cast<const Out*>(g.add) + at;
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        double sum = add == nullptr ? 0.0 : static_cast<double>(add[i * g.c.ld + j]);
        for (int64_t p = 0; p < g.k; ++p) {
          sum += static_cast<double>(g.trans_a ? a[p * g.a.ld + i] : a[i * g.a.ld + p]) *
                 static_cast<double>(g.trans_b ? b[j * g.b.ld + p] : b[p * g.b.ld + j]);
        }
        c[i * g.c.ld + j] = static_cast<Out>(sum);
      }
    }
  }
}

}  // namespace

void AllowTf32(bool allowed) { tf32_allowed = allowed; }
bool Tf32Allowed() { return tf32_allowed; }

void GemmReference(const GemmArgs& g) {
  DispatchFloat(g.dtype, [&]<typename T>() {
    DispatchFloat(g.out, [&]<typename Out>() { Reference<T, Out>(g); });
  });
}

}  // namespace palimpsest
