#include "kernels/gemm_onednn.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/parallel.h"
#include "dnnl.hpp"
#include "kernels/gemm_tile.h"

namespace palimpsest {
namespace {

using dnnl::matmul;
using dnnl::memory;
using gemm_tile::CeilDiv;

constexpr int64_t kWork = 1 << 17;  // Multiply-adds below which a call costs more than it saves.
constexpr int64_t kBlockRows = 512, kBlockCols = 512;
constexpr int64_t kTasks = 8, kTaskWork = 1 << 22;  // Wanted; worth a task of its own.
constexpr size_t kCached = 1024;

const dnnl::engine& Engine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

// oneDNN splits a sum among its threads; on one it has one order.
class OneThread {
 public:
  OneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int threads_;
};

memory::desc Matrix(int64_t rows, int64_t cols, int64_t ld, bool transposed, DType dtype) {
  const auto type = dtype == DType::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
  return transposed ? memory::desc({rows, cols}, type, memory::dims{1, ld})
                    : memory::desc({rows, cols}, type, memory::dims{ld, 1});
}

struct Product {
  memory::desc a, b, c, scratchpad;
  matmul primitive;
};

std::shared_ptr<const Product> MakeProduct(const GemmArgs& g, int64_t m, int64_t n) {
  auto product = std::make_shared<Product>();
  product->a = Matrix(m, g.k, g.a.ld, g.trans_a, g.dtype);
  product->b = Matrix(g.k, n, g.b.ld, g.trans_b, g.dtype);
  product->c = Matrix(m, n, g.c.ld, false, g.out);
  // Memory of the caller's: the library's own is not to be shared by threads.
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (g.add != nullptr) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  const matmul::primitive_desc desc(Engine(), product->a, product->b, product->c, attributes);
#else
  const matmul::primitive_desc desc({product->a, product->b, product->c}, attributes, Engine());
#endif
  product->scratchpad = desc.scratchpad_desc();
  product->primitive = matmul(desc);
  return product;
}

// The product for blocks of m x n, made once for each shape.
std::shared_ptr<const Product> ProductOf(const GemmArgs& g, int64_t m, int64_t n) {
  using Key = std::array<int64_t, 7>;
  static auto* mutex = new std::mutex;
  static auto* products = new absl::flat_hash_map<Key, std::shared_ptr<const Product>>;
  const int64_t flags =
      g.trans_a + 2 * g.trans_b + 4 * (g.add != nullptr) + 8 * (g.out == DType::kF32);
  const Key key = {m, n, g.k, g.a.ld, g.b.ld, g.c.ld, flags};
  const std::lock_guard lock(*mutex);
  if (const auto it = products->find(key); it != products->end()) return it->second;
  if (products->size() >= kCached) products->clear();
  return products->emplace(key, MakeProduct(g, m, n)).first->second;
}

// The rows of c that start at element `at` = those of what is added.
void CopyAdded(const GemmArgs& g, int64_t at, int64_t rows, int64_t cols) {
  const auto size = static_cast<int64_t>(SizeOf(g.out));
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t from = (at + i * g.c.ld) * size;
    std::memcpy(static_cast<char*>(g.c.data) + from, static_cast<const char*>(g.add) + from,
                cols * size);
  }
}

void Execute(const GemmArgs& g, int64_t item, int64_t i, int64_t m, int64_t j, int64_t n) {
  const auto at = [](const void* data, int64_t elements, DType dtype) {
    const auto* bytes =
        static_cast<const char*>(data) + elements * static_cast<int64_t>(SizeOf(dtype));
    return const_cast<char*>(bytes);  // NOLINT: oneDNN's arguments are not const.
  };
  const int64_t a = GemmOffset(g, g.a, item) + (g.trans_a ? i : i * g.a.ld);
  const int64_t b = GemmOffset(g, g.b, item) + (g.trans_b ? j * g.b.ld : j);
  const int64_t c = GemmOffset(g, g.c, item) + i * g.c.ld + j;
  if (g.add != nullptr && g.add != g.c.data) CopyAdded(g, c, m, n);
  const OneThread one_thread;
  thread_local dnnl::stream stream(Engine());
  const auto product = ProductOf(g, m, n);
  void* scratchpad =
      gemm_tile::Scratch<char, 0>(static_cast<int64_t>(product->scratchpad.get_size()));
  product->primitive.execute(stream,
                             {{DNNL_ARG_SRC, {product->a, Engine(), at(g.a.data, a, g.dtype)}},
                              {DNNL_ARG_WEIGHTS, {product->b, Engine(), at(g.b.data, b, g.dtype)}},
                              {DNNL_ARG_DST, {product->c, Engine(), at(g.c.data, c, g.out)}},
                              {DNNL_ARG_SCRATCHPAD, {product->scratchpad, Engine(), scratchpad}}});
}

// n in equal parts of at most `most`, but whole registers.
int64_t Part(int64_t n, int64_t most) { return CeilDiv(CeilDiv(n, CeilDiv(n, most)), 32) * 32; }

// Rows and columns of a task's block of c.
std::pair<int64_t, int64_t> BlockOf(const GemmArgs& g) {
  int64_t rows = Part(g.m, kBlockRows), cols = Part(g.n, kBlockCols);
  const auto tasks = [&] {
    return g.batch[0] * g.batch[1] * CeilDiv(g.m, rows) * CeilDiv(g.n, cols);
  };
  while (tasks() < kTasks && rows * cols * g.k > kTaskWork && std::max(rows, cols) > 64) {
    rows > cols ? rows = Part(g.m, rows / 2) : cols = Part(g.n, cols / 2);
  }
  return {rows, cols};
}

// Blocks of `size` that make up n, but none of 1 beside others: the last may be larger.
int64_t Blocks(int64_t n, int64_t size) { return n == 1 ? 1 : CeilDiv(n - 1, size); }
int64_t BlockSize(int64_t n, int64_t size, int64_t begin) {
  return n - begin <= size + 1 ? n - begin : size;
}

// oneDNN 3.7 goes wrong where an extent of 1 leaves open which stride is whose.
bool Takes(const GemmArgs& g) { return g.n > 1 && (g.m > 1 || !g.trans_a); }

// Strips of columns from the diagonal down.
void ExecuteSymmetric(const GemmArgs& g) {
  const int64_t cols = Part(g.n, CeilDiv(g.n, kTasks)), strips = Blocks(g.n, cols);
  ParallelFor(g.batch[0] * g.batch[1] * strips, CeilDiv(kWork, cols * g.n * g.k),
              [&](int64_t begin, int64_t end) {
                for (int64_t task = begin; task < end; ++task) {
                  const int64_t j = task % strips * cols;
                  Execute(g, task / strips, j, g.m - j, j, BlockSize(g.n, cols, j));
                }
              });
}

}  // namespace

bool GemmOnednn(const GemmArgs& g) {
  static const bool supported = __builtin_cpu_supports("avx512bf16");
  if (!supported || g.dtype != DType::kBf16 || g.m * g.n * g.k < kWork || !Takes(g)) return false;
  if (g.symmetric) {
    ExecuteSymmetric(g);
    return true;
  }
  const auto [rows, cols] = BlockOf(g);
  const int64_t row_blocks = Blocks(g.m, rows), col_blocks = Blocks(g.n, cols);
  const int64_t blocks = row_blocks * col_blocks;
  const int64_t grain = CeilDiv(kWork, rows * cols * g.k);
  ParallelFor(g.batch[0] * g.batch[1] * blocks, grain,
              [&, rows = rows, cols = cols](int64_t begin, int64_t end) {
                for (int64_t task = begin; task < end; ++task) {
                  const int64_t i = task % blocks / col_blocks * rows, j = task % col_blocks * cols;
                  Execute(g, task / blocks, i, BlockSize(g.m, rows, i), j, BlockSize(g.n, cols, j));
                }
              });
  return true;
}

}  // namespace palimpsest
