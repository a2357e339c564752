#include "report/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/crc32c.h"

namespace palimpsest {
namespace {

template <typename Int>
void AppendLittleEndian(Int value, std::string* out) {
  for (size_t i = 0; i < sizeof(value); ++i)
    out->push_back(static_cast<char>(value >> 8 * i & 0xff));
}

uint32_t MaskedCrc(const std::string& text) {
  const uint32_t crc = Crc32c(text);
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 && name[0] != '\0' ? name : "localhost";
}

absl::Status Failed(int error, const char* doing, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(error)));
}

// A summary of HParams carries no number: it is all in the metadata.
void AddHParams(const char* tag, const events::HParamsPluginData& data, events::Event* event) {
  events::Summary::Value* value = event->mutable_summary()->add_value();
  value->set_tag(absl::StrCat("_hparams_/", tag));
  value->mutable_tensor()->set_dtype(1);
  value->mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(0);
  events::Metadata::PluginData* plugin = value->mutable_metadata()->mutable_plugin_data();
  plugin->set_plugin_name("hparams");
  plugin->set_content(data.SerializeAsString());
}

events::HParamInfo::DataType Set(bool from, events::Value* to) {
  to->set_bool_value(from);
  return events::HParamInfo::BOOL;
}
events::HParamInfo::DataType Set(double from, events::Value* to) {
  to->set_number_value(from);
  return events::HParamInfo::FLOAT64;
}
events::HParamInfo::DataType Set(const std::string& from, events::Value* to) {
  to->set_string_value(from);
  return events::HParamInfo::STRING;
}

}  // namespace

double WallTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string EventRecord(const std::string& event) {
  std::string length, record;
  AppendLittleEndian<uint64_t>(event.size(), &length);
  record = length;
  AppendLittleEndian(MaskedCrc(length), &record);
  record += event;
  AppendLittleEndian(MaskedCrc(event), &record);
  return record;
}

absl::StatusOr<std::unique_ptr<EventFile>> EventFile::Create(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return Failed(error.value(), "make the directory", dir);
  const std::string stem =
      absl::StrFormat("events.out.tfevents.%010d.%s.%d", static_cast<int64_t>(WallTime()),
                      HostName(), static_cast<int>(getpid()));
  for (int attempt = 0;; ++attempt) {
    const std::string path = absl::StrCat(dir, "/", stem, ".", attempt);
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) continue;
    if (fd < 0) return Failed(errno, "create", path);
    std::unique_ptr<EventFile> file(new EventFile(path, fd));
    events::Event version;
    version.set_file_version("brain.Event:2");
    if (absl::Status s = file->Write(std::move(version)); !s.ok()) return s;
    return file;
  }
}

EventFile::~EventFile() { close(fd_); }

absl::Status EventFile::Write(events::Event event) {
  if (!event.has_wall_time()) event.set_wall_time(WallTime());
  const std::string record = EventRecord(event.SerializeAsString());
  for (size_t done = 0; done < record.size();) {
    const ssize_t written = write(fd_, record.data() + done, record.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed(errno, "write to", path_);
    done += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

events::Event RestartEvent(int64_t step) {
  events::Event event;
  event.set_step(step);
  event.mutable_session_log()->set_status(events::SessionLog::START);
  return event;
}

events::Event ScalarsEvent(int64_t step, const std::map<std::string, double>& values) {
  events::Event event;
  event.set_step(step);
  for (const auto& [tag, number] : values) {
    events::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    value->set_simple_value(static_cast<float>(number));
  }
  return event;
}

events::Event HistogramsEvent(int64_t step,
                              const std::map<std::string, events::Histogram>& values) {
  events::Event event;
  event.set_step(step);
  for (const auto& [tag, histogram] : values) {
    events::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    *value->mutable_histo() = histogram;
  }
  return event;
}

events::Histogram HistogramOf(int64_t size, absl::FunctionRef<double(int64_t)> at) {
  constexpr int kBuckets = 30;
  double least = INFINITY, most = -INFINITY, sum = 0, squares = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i) {
    const double x = at(i);
    if (!std::isfinite(x)) continue;
    least = std::min(least, x), most = std::max(most, x);
    sum += x, squares += x * x, ++count;
  }
  events::Histogram histogram;
  histogram.set_num(static_cast<double>(count));
  histogram.set_sum(sum);
  histogram.set_sum_squares(squares);
  if (count == 0) return histogram;
  histogram.set_min(least);
  histogram.set_max(most);
  const double width = (most - least) / kBuckets;
  std::vector<double> buckets(width > 0 ? kBuckets : 1);
  for (int64_t i = 0; i < size; ++i) {
    const double x = at(i);
    if (!std::isfinite(x)) continue;
    const auto bucket = width > 0 ? static_cast<size_t>((x - least) / width) : 0;
    ++buckets[std::min(bucket, buckets.size() - 1)];
  }
  for (size_t i = 0; i < buckets.size(); ++i) {
    const bool last = i + 1 == buckets.size();
    histogram.add_bucket_limit(last ? most : least + width * static_cast<double>(i + 1));
    histogram.add_bucket(buckets[i]);
  }
  return histogram;
}

events::Event HParamsStartEvent(const HParams& hparams, double wall_time) {
  events::HParamsPluginData experiment, start;
  experiment.set_version(0), start.set_version(0);
  experiment.mutable_experiment()->set_time_created_secs(wall_time);
  events::SessionStartInfo* session = start.mutable_session_start_info();
  session->set_group_name(hparams.group);
  session->set_start_time_secs(wall_time);
  for (const auto& [name, value] : hparams.values) {
    events::HParamInfo* info = experiment.mutable_experiment()->add_hparam_infos();
    info->set_name(name);
    events::Value* to = &(*session->mutable_hparams())[name];
    info->set_type(std::visit([&](const auto& from) { return Set(from, to); }, value));
  }
  for (const std::string& tag : hparams.metrics)
    experiment.mutable_experiment()->add_metric_infos()->mutable_name()->set_tag(tag);
  events::Event event;
  event.set_wall_time(wall_time);
  AddHParams("experiment", experiment, &event);
  AddHParams("session_start_info", start, &event);
  return event;
}

events::Event HParamsEndEvent(bool success, double wall_time) {
  events::HParamsPluginData end;
  end.set_version(0);
  end.mutable_session_end_info()->set_status(success ? events::SessionEndInfo::SUCCESS
                                                     : events::SessionEndInfo::FAILURE);
  end.mutable_session_end_info()->set_end_time_secs(wall_time);
  events::Event event;
  event.set_wall_time(wall_time);
  AddHParams("session_end_info", end, &event);
  return event;
}

}  // namespace palimpsest
