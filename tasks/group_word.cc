#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tasks/group.h"
#include "tasks/tasks.h"

namespace palimpsest {
namespace {

class GroupWord : public Task {
 public:
  GroupWord(std::string name, Group group) : name_(std::move(name)), group_(std::move(group)) {}

  int64_t vocab() const override { return group_.size() + 1; }
  absl::Status CheckLength(int64_t length) const override { return CheckLengthAtLeast(length, 2); }
  std::string Describe() const override {
    return absl::StrCat("word problem of ", name_, ", ", group_.size(), " elements");
  }
  std::string Text(int32_t token) const override {
    if (token == group_.size()) return "START";
    const std::vector<int>& p = group_.Element(token);
    return absl::StrJoin(p, p.size() > 10 ? "." : "");
  }

  Example Make(int64_t length, Split, Draws& draws) const override {
    Example example;
    example.Add(group_.size());
    int64_t product = 0;
    for (int64_t t = 1; t < length; ++t) {
      const int64_t element = draws.Below(group_.size());
      product = group_.Product(product, element);
      example.Add(element, product);
    }
    return example;
  }

 private:
  const std::string name_;
  const Group group_;
};

}  // namespace

TaskOrError MakeGroupWord(const DataConfig& data) {
  const std::string& name = data.group_word().group();
  absl::StatusOr<Group> group = Group::Make(name);
  if (!group.ok()) return group.status();
  return std::make_shared<GroupWord>(name, *std::move(group));
}

}  // namespace palimpsest
