#include "ops/linalg.h"

#include <algorithm>
#include <utility>

#include "core/op_scope.h"
#include "core/pair_tap.h"
#include "core/tape.h"
#include "kernels/gemm.h"
#include "kernels/tri_solve.h"
#include "ops/elementwise.h"
#include "ops/flop_count.h"
#include "ops/layout.h"
#include "ops/mask.h"
#include "ops/reduce.h"

namespace palimpsest {
namespace {

bool IsMatrix(const Tensor& x) { return x.rank() == 2; }

Shape Leading(const Tensor& x) { return Shape(x.shape().begin(), x.shape().end() - 2); }

// The last two axes become rows, cols.
Shape WithMatrix(Shape leading, int64_t rows, int64_t cols) {
  leading.push_back(rows);
  leading.push_back(cols);
  return leading;
}

// Where `x` is in a batch of which it is one matrix or all.
GemmMatrix<const void*> Operand(const Tensor& x) {
  const int64_t matrix = x.dim(-2) * x.dim(-1);
  return {x.raw(), x.dim(-1), {0, IsMatrix(x) ? 0 : matrix}};
}

Tensor Product(const Tensor& a, const Tensor& b, Trans trans, bool symmetric = false) {
  const int64_t m = a.dim(trans.a ? -1 : -2), k = a.dim(trans.a ? -2 : -1);
  const int64_t n = b.dim(trans.b ? -2 : -1);
  Tensor y = Tensor::Empty(WithMatrix(Leading(IsMatrix(a) ? b : a), m, n), a.dtype(), a.device());
  GemmArgs args;
  args.m = m, args.n = n, args.k = k;
  args.trans_a = trans.a, args.trans_b = trans.b;
  args.a = Operand(a), args.b = Operand(b);
  args.c = {y.mutable_raw(), n, {0, m * n}};
  args.batch[1] = NumElements(Leading(y));
  args.dtype = args.out = a.dtype();
  // The rows of all matrices of `a` are those of one when b is.
  if (IsMatrix(b) && !trans.a) args.m *= std::exchange(args.batch[1], 1);
  args.symmetric = symmetric;
  FlopCount::Add(args.batch[1] * args.m * (symmetric ? args.n + 1 : 2 * args.n) * args.k);
  gemm(a.device(), args);
  return y;
}

Tensor Transpose(const Tensor& x) {
  std::vector<int> order(x.rank());
  for (int i = 0; i < x.rank(); ++i) order[i] = i;
  std::swap(order[x.rank() - 1], order[x.rank() - 2]);
  return Permute(x, order);
}

Tensor AllRows(const Tensor& x) {
  return Reshape(x, {NumElements(Leading(x)) * x.dim(-2), x.dim(-1)});
}

// The sum over all leading axes of op(a) op(b): one product, along the rows of all matrices.
Tensor SumOfProducts(Tensor a, Tensor b, Trans trans) {
  if (!trans.a) a = Transpose(a);
  if (trans.b) b = Transpose(b);
  return MatMul(AllRows(a), AllRows(b), {true, false});
}

// The gradient of an operand, which may be one matrix for the whole batch.
Tensor ForOperand(const Tensor& x, const Tensor& a, const Tensor& b, Trans trans) {
  const bool sum = IsMatrix(x) && !(IsMatrix(a) && IsMatrix(b));
  return sum ? SumOfProducts(a, b, trans) : MatMul(a, b, trans);
}

// The gradient of the weight of y = x weight^T; empty if whoever looks on makes it himself.
Tensor ForWeight(const Tensor& weight, const Tensor& x, const Tensor& dy) {
  if (PairTap* tap = PairTap::Of(weight); tap != nullptr && !tap->See(weight, x, dy)) return {};
  return ForOperand(weight, dy, x, {true, false});
}

// x with zeros on and above the diagonal of its matrices.
Tensor StrictlyLower(const Tensor& x) {
  const int64_t n = x.dim(-1);
  return Where(BandMask(n, n, -n, -1, x.device()), x, Tensor::Full({}, 0.0, x.dtype(), x.device()));
}

}  // namespace

Tensor MatMul(const Tensor& a, const Tensor& b, Trans trans) {
  const OpScope scope("matmul");
  PALIMPSEST_CHECK(a.rank() >= 2 && b.rank() >= 2 && a.dtype() == b.dtype() &&
                   a.device() == b.device() &&
                   a.dim(trans.a ? -2 : -1) == b.dim(trans.b ? -1 : -2) &&
                   (Leading(a) == Leading(b) || IsMatrix(a) || IsMatrix(b)))
      << a << (trans.a ? "^T" : "") << " x " << b << (trans.b ? "^T" : "")
      << ": inner extents and leading axes must agree";
  return Record(Product(a, b, trans), {{a,
                                        [=](const Tensor& dy) {
                                          return trans.a ? ForOperand(a, b, dy, {trans.b, true})
                                                         : ForOperand(a, dy, b, {false, !trans.b});
                                        }},
                                       {b, [=](const Tensor& dy) {
                                          if (trans.b && !trans.a && IsMatrix(b))
                                            return ForWeight(b, a, dy);
                                          return trans.b ? ForOperand(b, dy, a, {true, trans.a})
                                                         : ForOperand(b, a, dy, {!trans.a, false});
                                        }}});
}

Tensor Gram(const Tensor& x, bool of_columns) {
  const OpScope scope("gram");
  PALIMPSEST_CHECK(x.rank() >= 2) << "needs matrices, got " << x;
  return Record(Product(x, x, {of_columns, !of_columns}, /*symmetric=*/true),
                {{x, [=](const Tensor& dy) {
                    const Tensor both = Add(dy, Transpose(dy));
                    return of_columns ? MatMul(x, both) : MatMul(both, x);
                  }}});
}

Tensor TriSolve(const Tensor& l, const Tensor& r, bool transposed) {
  const OpScope scope("tri_solve");
  PALIMPSEST_CHECK(l.rank() >= 2 && r.rank() >= 2 && Leading(l) == Leading(r) &&
                   l.dim(-1) == l.dim(-2) && r.dim(-2) == l.dim(-1) && l.dtype() == r.dtype() &&
                   l.device() == r.device())
      << l << " and " << r << ": a square matrix and as many rows on the right are needed";
  Tensor x = Tensor::Empty(r.shape(), r.dtype(), r.device());
  FlopCount::Add(NumElements(Leading(l)) * l.dim(-1) * (l.dim(-1) - 1) * r.dim(-1));
  tri_solve(r.device(), {NumElements(Leading(l)), r.dim(-2), r.dim(-1), transposed, l.raw(),
                         r.raw(), x.mutable_raw(), r.dtype()});
  return Record({x}, {l, r}, [=](const Tensors& dys) -> Tensors {
    const Tensor dr = TriSolve(l, dys[0], !transposed);
    const Tensor dl = transposed ? MatMul(x, dr, {false, true}) : MatMul(dr, x, {false, true});
    return {StrictlyLower(Neg(dl)), dr};
  })[0];
}

}  // namespace palimpsest
