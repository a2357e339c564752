#include "ops/linalg.h"
#include "tests/op_suite.h"

namespace palimpsest {
namespace {

// For op(a) op(b) with `a` [batch..., m, k] and `b` [batch_b..., k, n] before they are transposed.
Inputs Operands(const Shape& batch, int64_t m, int64_t k, int64_t n, Trans trans,
                const Shape& batch_b) {
  const auto matrix = [](Shape shape, int64_t rows, int64_t cols, bool transposed) {
    shape.push_back(transposed ? cols : rows);
    shape.push_back(transposed ? rows : cols);
    return shape;
  };
  return Reals({matrix(batch, m, k, trans.a), matrix(batch_b, k, n, trans.b)});
}

OpRow MatMulRow(const std::string& name, Trans trans) {
  const auto equal = [&](const Shape& batch, int64_t m, int64_t k, int64_t n) {
    return Operands(batch, m, k, n, trans, batch);
  };
  return {
      .name = "matmul_" + name,
      .cases = {equal({}, 3, 4, 5), equal({}, 1, 1, 1), equal({}, 1, 7, 9), equal({}, 7, 9, 1),
                equal({}, 2, 0, 3), equal({}, 0, 2, 3), equal({2}, 3, 1, 5), equal({2, 3}, 4, 3, 2),
                equal({0}, 2, 3, 4), equal({3}, 33, 65, 17), equal({}, 129, 70, 131),
                Operands({3}, 5, 4, 2, trans, {}), Operands({2, 2}, 1, 4, 3, trans, {}),
                Operands({}, 3, 4, 2, trans, {2}), Operands({0}, 3, 4, 2, trans, {})},
      .f = [=](const Tensors& x) { return MatMul(x[0], x[1], trans); },
      .bad = {Operands({2}, 3, 4, 5, trans, {3}), Reals({{2, 3}, {5, 7}}), Reals({{3}, {3, 2}})},
      .op = "matmul"};
}

OpRow MatMulAddRow(const std::string& name, Trans trans) {
  const auto with = [&](const Shape& add, Inputs operands) { return Reals({add}) + operands; };
  const auto equal = [&](Shape batch, int64_t m, int64_t k, int64_t n) {
    Shape add = batch;
    add.push_back(m), add.push_back(n);
    return with(add, Operands(batch, m, k, n, trans, batch));
  };
  return {
      .name = "matmul_add_" + name,
      .cases = {equal({}, 3, 4, 5), equal({}, 1, 1, 1), equal({}, 1, 7, 9), equal({}, 7, 9, 1),
                equal({}, 2, 0, 3), equal({}, 0, 2, 3), equal({2, 3}, 4, 3, 2), equal({0}, 2, 3, 4),
                equal({}, 129, 70, 131), with({3, 5, 2}, Operands({3}, 5, 4, 2, trans, {})),
                with({2, 3, 2}, Operands({}, 3, 4, 2, trans, {2}))},
      .f = [=](const Tensors& x) { return MatMulAdd(x[0], x[1], x[2], trans); },
      .bad = {Reals({{5}}) + Operands({}, 3, 4, 5, trans, {}),
              Reals({{3, 5}}) + Operands({2}, 3, 4, 5, trans, {2}),
              Reals({{3, 7}, {2, 3}, {5, 7}})},
      .op = "matmul_add"};
}

// Everything is used more than once, so that gradients are added to others.
OpRow SharedRow() {
  return {.name = "matmul_shared",
          .cases = {Reals({{2, 3, 4}, {5, 4}}), Reals({{1, 1, 1}, {1, 1}}), Reals({{0, 2}, {3, 2}}),
                    Reals({{65, 33}, {70, 33}})},
          .f =
              [](const Tensors& x) {
                const Tensor y = MatMul(x[0], x[1], {.b = true});
                const Tensor back = MatMulAdd(x[0], y, x[1]);
                return MatMulAdd(MatMulAdd(y, back, x[1], {.b = true}), x[0], x[1], {.b = true});
              },
          .tolerance = 4.0,
          .bf16_tolerance = 8.0,
          .bad = {Reals({{3, 4}, {5, 3}})},
          .op = "matmul"};
}

OpRow GramRow(const std::string& name, bool of_columns) {
  return {.name = name,
          .cases = {Reals({{3, 4}}), Reals({{4, 3}}), Reals({{1, 1}}), Reals({{1, 7}}),
                    Reals({{7, 1}}), Reals({{0, 3}}), Reals({{3, 0}}), Reals({{0, 2, 3}}),
                    Reals({{2, 3, 5, 4}}), Reals({{3, 33, 65}}), Reals({{129, 70}})},
          .f = [=](const Tensors& x) { return Gram(x[0], of_columns); },
          .bad = {Reals({{3}})},
          .op = "gram"};
}

OpRow TriSolveRow(const std::string& name, bool transposed) {
  const auto system = [](Shape batch, int64_t n, int64_t m) {
    Shape l = batch, r = batch;
    l.push_back(n), l.push_back(n), r.push_back(n), r.push_back(m);
    return Reals({l, r}, -0.5, 0.5);
  };
  return {.name = name,
          .cases = {system({}, 1, 1), system({}, 5, 3), system({2}, 4, 1), system({2, 3}, 7, 33),
                    system({}, 0, 2), system({}, 3, 0), system({0}, 3, 2), system({8}, 32, 65)},
          .f = [=](const Tensors& x) { return TriSolve(x[0], x[1], transposed); },
          .bf16 = false,
          .bad = {Reals({{3, 2}, {3, 2}}), Reals({{3, 3}, {2, 3}}), Reals({{2, 3, 3}, {3, 3}})},
          .op = "tri_solve"};
}

std::vector<OpRow> Rows() {
  return {MatMulRow("nn", {false, false}),
          MatMulRow("nt", {false, true}),
          MatMulRow("tn", {true, false}),
          MatMulRow("tt", {true, true}),
          MatMulAddRow("nn", {false, false}),
          MatMulAddRow("nt", {false, true}),
          MatMulAddRow("tn", {true, false}),
          MatMulAddRow("tt", {true, true}),
          SharedRow(),
          GramRow("gram", false),
          GramRow("gram_of_columns", true),
          TriSolveRow("tri_solve", false),
          TriSolveRow("tri_solve_transposed", true)};
}

PALIMPSEST_OP_ROWS(Linalg, Rows());

}  // namespace
}  // namespace palimpsest
