// A peer of the comparison: the same work as demarc's, written with librdkafka's batch consumer and asynchronous
// producer as its documentation recommends, and tuned. Payloads are not copied: a consumed message lives until its
// record is acknowledged, and a batch's offsets are stored for the background commit once that holds for all of it
// and all before it. It has no quarantine of hostile input, no pins and no accounts.
#include <librdkafka/rdkafka.h>

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "decide.h"

namespace {

constexpr size_t kChunk = 4000;       // messages that a batch holds at most
constexpr int kBatches = 8;           // batches that wait for acknowledgements
constexpr int64_t kWarmUp = 5;        // the part of the records, one in so many, that the steady state leaves out
constexpr int kWait = 100;            // ms
constexpr int kRequestTimeout = 30'000;  // ms

[[noreturn]] void Fail(const std::string &what) {
  fprintf(stderr, "librdkafka: %s\n", what.c_str());
  exit(1);
}

void Check(rd_kafka_resp_err_t err, const char *what) {
  if (err) Fail(std::string(what) + ": " + rd_kafka_err2str(err));
}

// What the process has taken so far, user and system, in microseconds.
int64_t ProcessorTime() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1'000'000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

// Measures from the delivery of the first fifth of the records on.
class Steady {
 public:
  explicit Steady(int64_t total) : total_(total) {}

  void Add(int64_t n) {
    delivered_ += n;
    if (begun_ == 0 && delivered_ * kWarmUp >= total_) {
      from_ = delivered_;
      begun_ = ProcessorTime();
    }
  }

  void Print() {
    Add(0);
    fprintf(stderr, "steady %lld %lld\n", (long long)(ProcessorTime() - begun_), (long long)(delivered_ - from_));
  }

  int64_t left() const { return total_ - delivered_; }

 private:
  int64_t total_, delivered_ = 0, from_ = 0, begun_ = 0;
};

// One call's messages. Each is destroyed when its record is acknowledged.
struct Batch {
  int64_t unacknowledged = 0;
  int64_t records = 0;
  std::map<int32_t, int64_t> next;  // by partition
};

// What a delivery report gives back.
struct Sent {
  Batch *batch;
  rd_kafka_message_t *message;
};

void Acknowledged(rd_kafka_t *, const rd_kafka_message_t *report, void *) {
  Check(report->err, "deliver");
  auto *sent = static_cast<Sent *>(report->_private);
  sent->batch->unacknowledged--;
  rd_kafka_message_destroy(sent->message);
  sent->message = nullptr;
}

using Settings = std::vector<std::pair<const char *, std::string>>;

rd_kafka_t *Client(rd_kafka_type_t type, const Settings &settings) {
  char why[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  for (const auto &[name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) Fail(why);
  }
  if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, Acknowledged);
  rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
  if (client == nullptr) Fail(why);
  return client;
}

// How many records the topic holds.
int64_t Available(rd_kafka_t *client, const std::string &topic) {
  rd_kafka_topic_t *t = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const struct rd_kafka_metadata *meta;
  Check(rd_kafka_metadata(client, 0, t, &meta, kRequestTimeout), "read metadata");
  int64_t n = 0;
  for (int i = 0; i < meta->topics[0].partition_cnt; i++) {
    int64_t low, high;
    Check(rd_kafka_query_watermark_offsets(client, topic.c_str(), meta->topics[0].partitions[i].id, &low, &high, kRequestTimeout),
          "read offsets");
    n += high;
  }
  rd_kafka_metadata_destroy(meta);
  rd_kafka_topic_destroy(t);
  return n;
}

class Loop {
 public:
  Loop(rd_kafka_t *consumer, rd_kafka_t *producer, const std::string &topic, const std::string &sinks, Decider *decide, Steady *steady)
      : consumer_(consumer), producer_(producer), topic_(topic), decide_(decide), steady_(steady), messages_(kChunk) {
    static const char *const names[] = {".us", ".eea", ".row", ".quarantine"};
    for (int i = 0; i < 4; i++) sinks_[i] = rd_kafka_topic_new(producer, (sinks + names[i]).c_str(), nullptr);
  }

  ~Loop() {
    for (rd_kafka_topic_t *t : sinks_) rd_kafka_topic_destroy(t);
  }

  // Routes so many records as the steady state is of.
  void Run() {
    rd_kafka_topic_partition_list_t *subscription = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(subscription, topic_.c_str(), RD_KAFKA_PARTITION_UA);
    Check(rd_kafka_subscribe(consumer_, subscription), "subscribe");
    rd_kafka_topic_partition_list_destroy(subscription);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer_);
    int64_t polled = 0;
    const int64_t todo = steady_->left();
    while (steady_->left() > 0) {
      if (polled < todo && waiting_.size() < kBatches) {
        polled += Forward(queue);
        rd_kafka_poll(producer_, 0);
      } else {
        rd_kafka_poll(producer_, kWait);
      }
      StoreOffsets();
    }
    rd_kafka_queue_destroy(queue);
    Check(rd_kafka_commit(consumer_, nullptr, 0), "commit");
  }

 private:
  // Forward takes the next messages and sends each to its sink topic, into the partition that it came from.
  int64_t Forward(rd_kafka_queue_t *queue) {
    const ssize_t n = rd_kafka_consume_batch_queue(queue, kWait, messages_.data(), messages_.size());
    if (n < 0) Check(rd_kafka_last_error(), "consume");
    if (n == 0) return 0;
    waiting_.emplace_back();
    Batch &batch = waiting_.back().batch;
    std::vector<Sent> &sent = waiting_.back().sent;
    sent.reserve(n);  // never moves: reports point into it
    batch.unacknowledged = batch.records = n;
    for (ssize_t i = 0; i < n; i++) {
      rd_kafka_message_t *m = messages_[i];
      Check(m->err, "consume");
      batch.next[m->partition] = m->offset + 1;
      sent.push_back({&batch, m});
      Produce(m, &sent.back());
    }
    return n;
  }

  void Produce(rd_kafka_message_t *m, Sent *sent) {
    rd_kafka_vu_t args[8];
    size_t count = 0;
    auto arg = [&](rd_kafka_vtype_t type) -> decltype(args[0].u) & {
      args[count].vtype = type;
      return args[count++].u;
    };
    arg(RD_KAFKA_VTYPE_RKT).rkt = sinks_[static_cast<int>(decide_->Sink(m->payload, m->len))];
    arg(RD_KAFKA_VTYPE_PARTITION).i32 = m->partition;
    auto &value = arg(RD_KAFKA_VTYPE_VALUE).mem;
    value.ptr = m->payload, value.size = m->len;
    auto &key = arg(RD_KAFKA_VTYPE_KEY).mem;
    key.ptr = m->key, key.size = m->key_len;
    arg(RD_KAFKA_VTYPE_TIMESTAMP).i64 = rd_kafka_message_timestamp(m, nullptr);
    arg(RD_KAFKA_VTYPE_OPAQUE).ptr = sent;
    rd_kafka_headers_t *headers = nullptr;
    if (rd_kafka_message_detach_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) arg(RD_KAFKA_VTYPE_HEADERS).headers = headers;
    rd_kafka_error_t *err;
    while ((err = rd_kafka_produceva(producer_, args, count)) != nullptr) {
      if (rd_kafka_error_code(err) != RD_KAFKA_RESP_ERR__QUEUE_FULL) Fail(std::string("produce: ") + rd_kafka_error_string(err));
      rd_kafka_error_destroy(err);
      rd_kafka_poll(producer_, kWait);
    }
  }

  // StoreOffsets takes the batches that are acknowledged, oldest first.
  void StoreOffsets() {
    while (!waiting_.empty() && waiting_.front().batch.unacknowledged == 0) {
      const Batch &batch = waiting_.front().batch;
      rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(batch.next.size());
      for (const auto &[partition, next] : batch.next) {
        rd_kafka_topic_partition_list_add(offsets, topic_.c_str(), partition)->offset = next;
      }
      Check(rd_kafka_offsets_store(consumer_, offsets), "store offsets");
      rd_kafka_topic_partition_list_destroy(offsets);
      steady_->Add(batch.records);
      waiting_.pop_front();
    }
  }

  struct Waiting {
    Batch batch;
    std::vector<Sent> sent;
  };

  rd_kafka_t *consumer_, *producer_;
  std::string topic_;
  Decider *decide_;
  Steady *steady_;
  std::vector<rd_kafka_message_t *> messages_;
  std::deque<Waiting> waiting_;  // its elements stay where they are
  rd_kafka_topic_t *sinks_[4];
};

}  // namespace

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "-version") == 0) {
    printf("g++ %s, librdkafka %s, simdjson %d.%d.%d, libmaxminddb %s\n", __VERSION__, rd_kafka_version_str(), simdjson::SIMDJSON_VERSION_MAJOR,
           simdjson::SIMDJSON_VERSION_MINOR, simdjson::SIMDJSON_VERSION_REVISION, MMDB_lib_version());
    return 0;
  }
  std::map<std::string, std::string> options = {{"-broker", ""}, {"-topic", ""}, {"-group", ""}, {"-sinks", ""}, {"-geo", ""}, {"-records", "0"}};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (options.count(argv[i]) == 0) Fail(std::string("unknown option ") + argv[i]);
    options[argv[i]] = argv[i + 1];
  }
  for (const auto &[name, value] : options) {
    if (value.empty()) Fail("option missing: " + name);
  }
  Decider decide(options["-geo"]);
  rd_kafka_t *consumer = Client(RD_KAFKA_CONSUMER, {
      {"bootstrap.servers", options["-broker"]},
      {"group.id", options["-group"]},
      {"auto.offset.reset", "earliest"},
      {"enable.auto.offset.store", "false"},
      {"auto.commit.interval.ms", "1000"},
      {"fetch.min.bytes", "65536"},
      {"fetch.wait.max.ms", "200"},
      {"queued.max.messages.kbytes", "16384"},
  });
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_t *producer = Client(RD_KAFKA_PRODUCER, {
      {"bootstrap.servers", options["-broker"]},
      {"enable.idempotence", "true"},  // implies acks=all; keeps the order when a request is repeated
      {"compression.codec", "zstd"},
      {"compression.level", "1"},
      {"linger.ms", "50"},
      {"batch.size", "1000000"},
      {"queue.buffering.max.messages", std::to_string(2 * kChunk * kBatches)},
  });
  const int64_t records = std::stoll(options["-records"]);  // 0: those that are there now
  Steady steady(records > 0 ? records : Available(producer, options["-topic"]));
  if (steady.left() > 0) Loop(consumer, producer, options["-topic"], options["-sinks"], &decide, &steady).Run();
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
  steady.Print();
  return 0;
}
