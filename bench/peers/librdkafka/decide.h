// The decision of testdata/policy.yaml.
#pragma once

#include <maxminddb.h>
#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

enum class Sink { kUS, kEEA, kROW, kQuarantine };

// Decides documents, one at a time. What it cannot read goes to quarantine.
class Decider {
 public:
  explicit Decider(const std::string &geo);
  ~Decider();
  Decider(const Decider &) = delete;
  Decider &operator=(const Decider &) = delete;

  // Sink is where a record of this value goes; a null value is a null pointer.
  ::Sink Sink(const void *value, size_t size);

 private:
  // Signals reads both fields. False: the document or the address in it cannot be read.
  bool Signals(const void *value, size_t size, uint8_t *region, std::string_view *ip);
  uint8_t Home(std::string_view ip);           // of an address, 0: not known
  uint8_t HomeOf(const MMDB_entry_s &entry);   // of a record of the geo database, 0: no country

  MMDB_s geo_;
  std::vector<int16_t> homes_;  // by a record's offset in the geo database
  simdjson::ondemand::parser parser_;
  std::vector<char> padded_;  // simdjson reads beyond a document's end
};
