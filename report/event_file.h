#ifndef REPORT_EVENT_FILE_H_
#define REPORT_EVENT_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "report/event.pb.h"

namespace palimpsest {

// A file of events for TensorBoard, which takes the files of one directory for one run. Each event
// is on its way to disk when its call returns.
class EventFile {
 public:
  // A new file in `dir`, which is made.
  static absl::StatusOr<std::unique_ptr<EventFile>> Create(const std::string& dir);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Stamps `event` with the time, unless it has one.
  absl::Status Write(events::Event event);

 private:
  EventFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

// Seconds since 1970.
double WallTime();

// `event` as it stands in a file: length and data, each with its masked CRC-32C.
std::string EventRecord(const std::string& event);

// That readers forget what other files say of `step` and later steps: they are made again.
events::Event RestartEvent(int64_t step);
events::Event ScalarsEvent(int64_t step, const std::map<std::string, double>& values);
events::Event HistogramsEvent(int64_t step, const std::map<std::string, events::Histogram>& values);

// Of at(0), ..., at(size - 1), those that are finite: 30 buckets of one width.
events::Histogram HistogramOf(int64_t size, absl::FunctionRef<double(int64_t)> at);

// What distinguishes runs in the HPARAMS tab. Runs of one group are shown as one, by their mean.
struct HParams {
  std::map<std::string, std::variant<bool, double, std::string>> values;
  std::string group;
  std::vector<std::string> metrics;  // Tags of scalars.
};
events::Event HParamsStartEvent(const HParams& hparams, double wall_time);
events::Event HParamsEndEvent(bool success, double wall_time);

}  // namespace palimpsest

#endif  // REPORT_EVENT_FILE_H_
