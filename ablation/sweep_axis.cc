#include "ablation/sweep_axis.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace palimpsest {
namespace {

absl::Status Mistake(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(where, " ", what));
}

// "lr" of "optimizer.lr"; "rule" of "model.block.0.memory.rule.name", as "name" would say nothing.
std::string ShortName(const std::string& field) {
  std::string path = field;
  constexpr char kName[] = ".name";
  if (path.ends_with(kName)) path.resize(path.size() - (sizeof(kName) - 1));
  return path.substr(path.rfind('.') + 1);
}

std::vector<std::string> Fields(const Sweep::Axis& axis) {
  std::vector<std::string> fields;
  if (axis.has_field()) fields.push_back(axis.field());
  for (const Sweep::Zip& zip : axis.zip()) fields.push_back(zip.field());
  return fields;
}

// For messages: "axis 2 (optimizer.lr)".
std::string Where(const Sweep::Axis& axis, int index) {
  const std::string what = axis.has_name() ? axis.name() : absl::StrJoin(Fields(axis), ", ");
  return absl::StrCat("axis ", index + 1, what.empty() ? "" : absl::StrCat(" (", what, ")"));
}

SweepPoints ListPoints(const Sweep::Axis& axis, const std::string& name) {
  SweepPoints points;
  for (const std::string& value : axis.value())
    points.push_back(
        {absl::StrCat(name, "=", value), {}, {absl::StrCat(axis.field(), "=", value)}});
  return points;
}

absl::StatusOr<SweepPoints> ZipPoints(const Sweep::Axis& axis, const std::string& name,
                                      const std::string& where) {
  SweepPoints points(axis.zip(0).value_size());
  for (const Sweep::Zip& zip : axis.zip()) {
    if (!zip.has_field()) return Mistake(where, "has a zip without a field");
    if (zip.value_size() != axis.zip(0).value_size())
      return Mistake(where, absl::StrCat("zips ", axis.zip(0).value_size(), " values of ",
                                         axis.zip(0).field(), " with ", zip.value_size(), " of ",
                                         zip.field(), ": give as many of each"));
    for (int i = 0; i < zip.value_size(); ++i) {
      absl::StrAppend(&points[i].label, points[i].label.empty() ? name + "=" : "/", zip.value(i));
      points[i].sets.push_back(absl::StrCat(zip.field(), "=", zip.value(i)));
    }
  }
  return points;
}

template <typename Variants>
absl::StatusOr<SweepPoints> VariantPoints(const Variants& variants, const std::string& name,
                                          const std::string& where) {
  SweepPoints points;
  for (const Sweep::Variant& variant : variants) {
    if (variant.name().empty()) return Mistake(where, "has a variant without a name");
    points.push_back({absl::StrCat(name, name.empty() ? "" : "=", variant.name()),
                      {variant.base().begin(), variant.base().end()},
                      {variant.set().begin(), variant.set().end()}});
  }
  return points;
}

absl::StatusOr<SweepPoints> AxisPoints(const Sweep::Axis& axis, const std::string& name,
                                       const std::string& where) {
  const bool list = axis.has_field() || axis.value_size() > 0;
  if (list + (axis.zip_size() > 0) + (axis.variant_size() > 0) != 1)
    return Mistake(where,
                   "must have one of: a field with values, zips, variants; several fields that go "
                   "together are zips");
  if (axis.variant_size() > 0) return VariantPoints(axis.variant(), name, where);
  if (axis.zip_size() > 0) return ZipPoints(axis, name, where);
  if (!axis.has_field()) return Mistake(where, "has values and no field");
  return ListPoints(axis, name);
}

absl::Status CheckPoints(const SweepPoints& points, const std::string& where) {
  if (points.empty()) return Mistake(where, "has no value");
  std::set<std::string> labels;
  for (const SweepPoint& point : points) {
    if (!labels.insert(point.label).second)
      return Mistake(where, absl::StrCat("has \"", point.label, "\" twice"));
  }
  return absl::OkStatus();
}

// Of each axis; whole paths where their ends would be the same.
std::vector<std::string> AxisNames(const Sweep& sweep) {
  std::map<std::string, int> count;
  for (const Sweep::Axis& axis : sweep.axis()) {
    for (const std::string& field : Fields(axis)) ++count[ShortName(field)];
    if (axis.has_name()) ++count[axis.name()];
  }
  std::vector<std::string> names;
  for (const Sweep::Axis& axis : sweep.axis()) {
    std::vector<std::string> parts;
    for (const std::string& field : Fields(axis))
      parts.push_back(count[ShortName(field)] > 1 ? field : ShortName(field));
    names.push_back(axis.has_name() ? axis.name() : absl::StrJoin(parts, "/"));
  }
  return names;
}

}  // namespace

absl::StatusOr<std::vector<SweepPoints>> SweepAxes(const Sweep& sweep) {
  const std::vector<std::string> names = AxisNames(sweep);
  std::vector<SweepPoints> axes;
  std::map<std::string, std::string> varied;  // Which axis varies a field.
  for (int i = 0; i < sweep.axis_size(); ++i) {
    const std::string where = Where(sweep.axis(i), i);
    for (const std::string& field : Fields(sweep.axis(i))) {
      if (field == "seed")
        return Mistake(where, "varies the seed: say seed: 1 seed: 2 or seeds: 2");
      const auto [before, is_new] = varied.emplace(field, where);
      if (!is_new)
        return Mistake(where, absl::StrCat("varies ", field, ", as does ", before->second));
    }
    absl::StatusOr<SweepPoints> points = AxisPoints(sweep.axis(i), names[i], where);
    if (!points.ok()) return points.status();
    if (absl::Status s = CheckPoints(*points, where); !s.ok()) return s;
    axes.push_back(*std::move(points));
  }
  if (sweep.variant_size() > 0) {
    absl::StatusOr<SweepPoints> points = VariantPoints(sweep.variant(), "", "the sweep");
    if (!points.ok()) return points.status();
    if (absl::Status s = CheckPoints(*points, "the sweep"); !s.ok()) return s;
    axes.push_back(*std::move(points));
  }
  return axes;
}

}  // namespace palimpsest
