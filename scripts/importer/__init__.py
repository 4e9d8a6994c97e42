# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/import-nft and scripts/import-iptables share.

A ruleset is read into rules (model.py), each a few boxes: products of ranges of addresses, ports and
so on (spans.py, box.py). Chains are walked from their hooks, and each rule that is met becomes rules
of weir (walk.py, filters.py, nat.py), which are written as YAML (page.py).
"""
