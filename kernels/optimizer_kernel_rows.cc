#include "kernels/optimizer_kernel_rows.h"

#include "kernels/adamw.h"
#include "kernels/am_adamw.h"
#include "kernels/am_mgd.h"
#include "kernels/ema.h"
#include "kernels/lion.h"
#include "kernels/rms_step.h"
#include "kernels/sgd.h"

namespace palimpsest {
namespace {

template <typename Args>
void Run(const Kernel<void(absl::Span<const Args>)>& kernel, void (*definition)(const Args&),
         const Args& args, const Call& c) {
  c.reference ? definition(args) : kernel(c.device, {args});
}

std::vector<double> AdamW(const Call& c) {
  const Tensor scalars = c.scalars();
  Run(adamw, AdamWReference,
      {.update = c.Update(scalars),
       .m = c.in[2],
       .v = c.in[3],
       .m_out = c.out[1],
       .v_out = c.out[2],
       .lr = Scalar(c.Rate(scalars)),
       .beta1 = 0.9,
       .beta2 = 0.95,
       .eps = 1e-6,
       .weight_decay = 0.1},
      c);
  return {};
}

Row Sgd(const std::string& name, bool momentum, bool lookahead, double weight_decay) {
  const auto run = [=](const Call& c) -> std::vector<double> {
    const Tensor scalars = c.scalars();
    Run(sgd, SgdReference,
        {.update = c.Update(scalars),
         .m = momentum ? c.in[2] : nullptr,
         .m_out = momentum ? c.out[1] : nullptr,
         .lr = Scalar(c.Rate(scalars)),
         .keep = 0.9,
         .write = 0.6,
         .weight_decay = weight_decay,
         .lookahead = lookahead},
        c);
    return {};
  };
  if (momentum) return {name, 3, {0, 2}, run};
  return {name, 2, {0}, run};
}

std::vector<double> Lion(const Call& c) {
  const Tensor scalars = c.scalars();
  Run(lion, LionReference,
      {.update = c.Update(scalars),
       .m = c.in[2],
       .m_out = c.out[1],
       .lr = Scalar(c.Rate(scalars)),
       .beta1 = 0.9,
       .beta2 = 0.99,
       .weight_decay = 0.1},
      c);
  return {};
}

Row Ema(const std::string& name, bool read, bool lookahead) {
  const auto run = [=](const Call& c) -> std::vector<double> {
    const Tensor scalars = c.scalars();
    const EmaArgs args{.dtype = c.dtype,
                       .size = c.size,
                       .m = c.in[0],
                       .grad = c.in[1],
                       .m_out = c.out[0],
                       .read = read ? c.out[1] : nullptr,
                       .keep = 0.9,
                       .write = Scalar(c.Rate(scalars), -7.0),
                       .grad_scale = 0.7,
                       .lookahead = lookahead,
                       .corrected = read,
                       .writes = c.Steps(scalars)};
    c.reference ? EmaReference(args) : ema(c.device, args);
    return {};
  };
  if (read) return {name, 2, {0, 1}, run, false};
  return {name, 2, {0}, run, false};
}

std::vector<double> RmsStep(const Call& c) {
  const Tensor scalars = c.scalars();
  const RmsStepArgs args{.dtype = c.dtype,
                         .size = c.size,
                         .param = c.in[0],
                         .u = c.in[2],
                         .x = c.in[1],
                         .v = c.in[3],
                         .param_out = c.out[0],
                         .v_out = c.out[1],
                         .keep_param = Scalar(c.Rate(scalars), -0.5, 1.0),
                         .step = Scalar(c.Rate(scalars)),
                         .keep_v = 0.9,
                         .write_v = 0.2,
                         .x_scale = 0.7,
                         .eps = 1e-6,
                         .corrected = true,
                         .writes = c.Steps(scalars)};
  c.reference ? RmsStepReference(args) : rms_step(c.device, args);
  return {};
}

AmMgdArgs AmMgdOf(const Call& c, const Tensor& scalars, double weight_decay) {
  return {.update = c.Update(scalars),
          .d = c.in[2],
          .d_out = c.out.empty() ? nullptr : c.out[1],
          .lr = Scalar(c.Rate(scalars)),
          .weight_decay = weight_decay,
          .lambda = 0.1,
          .beta_max = 0.9};
}

std::vector<double> AmMgdSums(const Call& c, double weight_decay) {
  const Tensor scalars = c.scalars();
  const AmMgdArgs args = AmMgdOf(c, scalars, weight_decay);
  if (c.reference) {
    const auto [num, den] = AmMgdSumsReference(args);
    return {num, den, num, den};
  }
  Tensor sums = Tensor::Empty({4}, DType::kF64, c.device);
  double* own = sums.mutable_data<double>();
  am_mgd_sums(c.device, {args}, own, own + 2);
  return sums.ToVector();
}

std::vector<double> AmMgdStep(const Call& c) {
  const Tensor scalars = c.scalars(), sums = c.On({1.3, 4.0}, DType::kF64);
  AmMgdArgs args = AmMgdOf(c, scalars, 0.1);
  args.sums = sums.data<double>();
  Run(am_mgd, AmMgdReference, args, c);
  return {};
}

AmAdamWArgs AmAdamWOf(const Call& c, const Tensor& scalars, const Tensor& memory) {
  return {.update = c.Update(scalars),
          .d = c.in[2],
          .v = c.in[3],
          .product = memory.raw(),
          .beta_max = 0.9,
          .beta2 = 0.95,
          .eps = 1e-6,
          .lambda = 0.1,
          .weight_decay = 0.1};
}

std::vector<double> AmAdamWSums(const Call& c) {
  const Tensor scalars = c.scalars(), product = c.On({0.4}, StateOf(c.dtype));
  AmAdamWArgs args = AmAdamWOf(c, scalars, product);
  args.update.param_out = args.update.low_out = nullptr;
  args.v_out = c.out[0];
  if (c.reference) {
    const auto sums = AmAdamWSumsReference(args);
    return {sums.begin(), sums.end()};
  }
  Tensor sums = Tensor::Empty({4}, DType::kF64, c.device);
  am_adamw_sums(c.device, {args}, sums.mutable_data<double>());
  return sums.ToVector();
}

std::vector<double> AmAdamWStep(const Call& c) {
  const Tensor scalars = c.scalars(), sums = c.On({2.0, 0.5, 0.1, 4.0}, DType::kF64),
               product = c.On({0.4}, StateOf(c.dtype)), lr = c.On({0.02}, StateOf(c.dtype));
  Tensor product_out = c.On({0.0}, StateOf(c.dtype)), lr_out = c.On({0.0}, StateOf(c.dtype));
  AmAdamWArgs args = AmAdamWOf(c, scalars, product);
  args.d_out = c.out[1], args.sums = sums.data<double>(), args.lr = Scalar(c.Rate(scalars));
  args.lr_before = lr.raw();
  args.product_out = product_out.mutable_raw(), args.lr_out = lr_out.mutable_raw();
  Run(am_adamw, AmAdamWReference, args, c);
  return {product_out.Item(), lr_out.Item()};
}

}  // namespace

const std::vector<Row>& Rows() {
  static const auto* rows = new std::vector<Row>{
      {"adamw", 4, {0, 2, 3}, AdamW},
      Sgd("sgd", false, false, 0.1),
      Sgd("sgd_momentum", true, false, 0.0),
      Sgd("sgd_nesterov", true, true, 0.1),
      Ema("ema", false, false),
      Ema("ema_read", true, false),
      Ema("ema_ahead", true, true),
      {"lion", 3, {0, 2}, Lion},
      {"rms_step", 4, {0, 3}, RmsStep, false},
      {"am_mgd_sums", 3, {}, [](const Call& c) { return AmMgdSums(c, 0.0); }},
      {"am_mgd_sums_decay", 3, {}, [](const Call& c) { return AmMgdSums(c, 0.1); }},
      {"am_mgd_step", 3, {0, 2}, AmMgdStep},
      {"am_adamw_sums", 4, {3}, AmAdamWSums},
      {"am_adamw_step", 4, {0, 2}, AmAdamWStep},
  };
  return *rows;
}

}  // namespace palimpsest
