#include "serve/metrics.h"

#include <unistd.h>

#include <fmt/format.h>

#include "measure/proc.h"

namespace wan::serve {
namespace {

/// A value that is not known is left out: absent is not zero.
class Text {
 public:
  void metric(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP wanbench_{} {}\n# TYPE wanbench_{} {}\n", name, help, name, type);
    name_ = name;
  }
  template <class T>
  void value(const T& value, const std::string& labels = {}) {
    text_ += fmt::format("wanbench_{}{} {}\n", name_, labels.empty() ? "" : "{" + labels + "}", value);
  }
  template <class T>
  void value(const std::optional<T>& known, const std::string& labels = {}) {
    if (known) value(*known, labels);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_, name_;
};

std::string label(std::string_view name, std::string_view value) { return fmt::format("{}=\"{}\"", name, value); }

void put_jobs(Text& text, const VideoService& service) {
  const JobCounts jobs = service.counts();
  text.metric("videos", "gauge", "Videos that are kept, by status.");
  text.value(jobs.queued, label("status", "queued"));
  text.value(jobs.in_progress, label("status", "in_progress"));
  text.value(jobs.completed, label("status", "completed"));
  text.value(jobs.failed, label("status", "failed"));
  text.value(jobs.cancelled, label("status", "cancelled"));
  text.metric("queue_limit", "gauge", "Videos that may wait.");
  text.value(service.options().most_queued);
  const ServiceTotals sums = service.totals();
  text.metric("videos_ended_total", "counter", "Videos that ended since the start, by how.");
  text.value(sums.completed, label("status", "completed"));
  text.value(sums.failed, label("status", "failed"));
  text.value(sums.cancelled, label("status", "cancelled"));
  text.metric("queue_seconds_total", "counter", "Time that begun videos had waited.");
  text.value(sums.queue_s);
  text.metric("service_seconds_total", "counter", "Time in which completed videos were made.");
  text.value(sums.service_s);
  text.metric("steps_total", "counter", "Denoising steps.");
  text.value(sums.steps);
  text.metric("energy_joules_total", "counter", "Of the cards while they made videos, where the driver counts it.");
  text.value(sums.energy_j);
}

void put_workers(Text& text, const VideoService& service) {
  const std::vector<WorkerView> workers = service.workers();
  const auto each = [&](auto one) {
    for (size_t i = 0; i < workers.size(); ++i)
      one(workers[i], label("worker", std::to_string(i)) + "," + label("device", workers[i].device));
  };
  text.metric("worker_ready", "gauge", "1 where the worker's process runs.");
  each([&](const WorkerView& worker, const std::string& labels) { text.value(worker.is_ready ? 1 : 0, labels); });
  text.metric("worker_busy", "gauge", "1 where it makes a video.");
  each([&](const WorkerView& worker, const std::string& labels) { text.value(worker.job_id ? 1 : 0, labels); });
  text.metric("worker_starts_total", "counter", "Starts of the worker's process.");
  each([&](const WorkerView& worker, const std::string& labels) { text.value(worker.starts, labels); });
  text.metric("card_power_watts", "gauge", "Of the worker's card.");
  each([&](const WorkerView& worker, const std::string& labels) {
    if (worker.card) text.value(worker.card->power_w, labels);
  });
  text.metric("card_memory_bytes", "gauge", "In use on the worker's card, by all programs.");
  each([&](const WorkerView& worker, const std::string& labels) {
    if (worker.card) text.value(worker.card->device_bytes, labels);
  });
  text.metric("card_sm_clock_mhz", "gauge", "Of the worker's card.");
  each([&](const WorkerView& worker, const std::string& labels) {
    if (worker.card) text.value(worker.card->sm_clock_mhz, labels);
  });
}

void put_server(Text& text, const VideoService& service, const HttpCounts& http) {
  text.metric("http_requests_total", "counter", "Requests whose headers were read.");
  text.value(http.requests);
  text.metric("http_connections", "gauge", "Connections that are open.");
  text.value(http.connections);
  text.metric("http_streams", "gauge", "Of them, answers that go on.");
  text.value(http.streams);
  text.metric("http_refused_connections_total", "counter", "Connections more than there may be.");
  text.value(http.refused_connections);
  text.metric("http_cut_off_total", "counter", "Connections that were too slow.");
  text.value(http.cut_off);
  text.metric("disk_free_bytes", "gauge", "Where the videos lie.");
  text.value(service.files().free_bytes());
  const measure::TreeReading own = measure::read_tree(::getpid());
  text.metric("memory_bytes", "gauge", "Resident, of the server and its workers.");
  text.value(own.memory.resident());
}

}  // namespace

std::string metrics_text(const VideoService& service, const HttpCounts& http) {
  Text text;
  put_jobs(text, service);
  put_workers(text, service);
  put_server(text, service, http);
  return text.take();
}

}  // namespace wan::serve
