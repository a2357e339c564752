#include "ops/linalg.h"

#include <algorithm>
#include <utility>
#include <vector>

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

Shape ProductShape(const Tensor& a, const Tensor& b, Trans trans) {
  return WithMatrix(Leading(IsMatrix(a) ? b : a), a.dim(trans.a ? -1 : -2),
                    b.dim(trans.b ? -2 : -1));
}

Tensor EmptyProduct(const Tensor& a, const Tensor& b, Trans trans) {
  return Tensor::Empty(ProductShape(a, b, trans), a.dtype(), a.device());
}

struct ProductOptions {
  Tensor add = {};  // Of y's shape, or y itself.
  bool symmetric = false;
};

// y, filled with the product.
Tensor Product(const Tensor& a, const Tensor& b, Trans trans, Tensor y,
               const ProductOptions& options = {}) {
  const int64_t m = y.dim(-2), n = y.dim(-1), k = a.dim(trans.a ? -2 : -1);
  GemmArgs args;
  args.m = m, args.n = n, args.k = k;
  args.trans_a = trans.a, args.trans_b = trans.b;
  args.a = Operand(a), args.b = Operand(b);
  args.c = {y.mutable_raw(), n, {0, m * n}};
  args.batch[1] = NumElements(Leading(y));
  args.dtype = args.out = a.dtype();
  // The rows of all matrices of `a` are those of one when b is.
  if (IsMatrix(b) && !trans.a) args.m *= std::exchange(args.batch[1], 1);
  args.symmetric = options.symmetric;
  FlopCount::Add(args.batch[1] * args.m * (args.symmetric ? args.n + 1 : 2 * args.n) * args.k);
  if (options.add) {
    args.add = options.add.raw();
    FlopCount::Add(y.size());
  }
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

// sum + op(a) op(b), or the product where there is no sum; in its buffer if no one else can see it.
Tensor MatMulOnto(Tensor sum, const Tensor& a, const Tensor& b, Trans trans) {
  if (!sum) return MatMul(a, b, trans);
  const bool in_place = sum.Unique() && !IsTracked(sum) && !IsTracked(a) && !IsTracked(b);
  if (!in_place || ComposedScope::Active()) return MatMulAdd(sum, a, b, trans);
  const OpScope scope("matmul_onto");
  return Product(a, b, trans, sum, {.add = sum});
}

// The sum over all leading axes of op(a) op(b): one product, along the rows of all matrices.
Tensor SumOfProducts(Tensor sum, Tensor a, Tensor b, Trans trans) {
  if (!trans.a) a = Transpose(a);
  if (trans.b) b = Transpose(b);
  return MatMulOnto(std::move(sum), AllRows(a), AllRows(b), {true, false});
}

// The gradient of an operand, which may be one matrix for the whole batch, onto `sum`.
Tensor ForOperand(Tensor sum, const Tensor& x, const Tensor& a, const Tensor& b, Trans trans) {
  const bool all = IsMatrix(x) && !(IsMatrix(a) && IsMatrix(b));
  return all ? SumOfProducts(std::move(sum), a, b, trans) : MatMulOnto(std::move(sum), a, b, trans);
}

// That of the weight of y = x weight^T; none if whoever looks on makes it himself.
Tensor ForWeight(Tensor sum, const Tensor& weight, const Tensor& x, const Tensor& dy) {
  if (PairTap* tap = PairTap::Of(weight); tap != nullptr && !tap->See(weight, x, dy)) return sum;
  return ForOperand(std::move(sum), weight, dy, x, {true, false});
}

// The gradients of op(a) op(b).
Tensor ForA(Tensor sum, const Tensor& a, const Tensor& b, const Tensor& dy, Trans trans) {
  return trans.a ? ForOperand(std::move(sum), a, b, dy, {trans.b, true})
                 : ForOperand(std::move(sum), a, dy, b, {false, !trans.b});
}
Tensor ForB(Tensor sum, const Tensor& a, const Tensor& b, const Tensor& dy, Trans trans) {
  if (trans.b && !trans.a && IsMatrix(b)) return ForWeight(std::move(sum), b, a, dy);
  return trans.b ? ForOperand(std::move(sum), b, dy, a, {true, trans.a})
                 : ForOperand(std::move(sum), b, a, dy, {!trans.a, false});
}

std::vector<ArgOnto> OperandArgs(const Tensor& a, const Tensor& b, Trans trans) {
  return {{a, [=](const Tensor& dy, Tensor sum) { return ForA(std::move(sum), a, b, dy, trans); }},
          {b, [=](const Tensor& dy, Tensor sum) { return ForB(std::move(sum), a, b, dy, trans); }}};
}

bool Multiply(const Tensor& a, const Tensor& b, Trans trans) {
  return a.rank() >= 2 && b.rank() >= 2 && a.dtype() == b.dtype() && a.device() == b.device() &&
         a.dim(trans.a ? -2 : -1) == b.dim(trans.b ? -1 : -2) &&
         (Leading(a) == Leading(b) || IsMatrix(a) || IsMatrix(b));
}

// x with zeros on and above the diagonal of its matrices.
Tensor StrictlyLower(const Tensor& x) {
  const int64_t n = x.dim(-1);
  return Where(BandMask(n, n, -n, -1, x.device()), x, Tensor::Full({}, 0.0, x.dtype(), x.device()));
}

}  // namespace

Tensor MatMul(const Tensor& a, const Tensor& b, Trans trans) {
  const OpScope scope("matmul");
  PALIMPSEST_CHECK(Multiply(a, b, trans))
      << a << (trans.a ? "^T" : "") << " x " << b << (trans.b ? "^T" : "")
      << ": inner extents and leading axes must agree";
  return RecordOnto(Product(a, b, trans, EmptyProduct(a, b, trans)), OperandArgs(a, b, trans));
}

Tensor MatMulAdd(const Tensor& add, const Tensor& a, const Tensor& b, Trans trans) {
  const OpScope scope("matmul_add");
  PALIMPSEST_CHECK(Multiply(a, b, trans) && add.shape() == ProductShape(a, b, trans) &&
                   add.dtype() == a.dtype() && add.device() == a.device())
      << add << " + " << a << (trans.a ? "^T" : "") << " x " << b << (trans.b ? "^T" : "")
      << ": what is added must have the product's shape";
  if (ComposedScope::Active()) return Add(add, MatMul(a, b, trans));
  std::vector<ArgOnto> args = OperandArgs(a, b, trans);
  args.push_back({add, [](const Tensor& dy, Tensor sum) { return sum ? Add(sum, dy) : dy; }});
  return RecordOnto(Product(a, b, trans, EmptyProduct(a, b, trans), {.add = add}), std::move(args));
}

Tensor Gram(const Tensor& x, bool of_columns) {
  const OpScope scope("gram");
  PALIMPSEST_CHECK(x.rank() >= 2) << "needs matrices, got " << x;
  const Trans trans{of_columns, !of_columns};
  return Record(Product(x, x, trans, EmptyProduct(x, x, trans), {.symmetric = true}),
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
