/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The stages that weir brings, in the order in which a packet meets them.
 *
 * A path is an array of these (and of a product's own), ended by NULL.
 */

#include <weir/node.h>

extern const struct weir_node_ops weir_node_rx;	       /**< 00: from the ports */
extern const struct weir_node_ops weir_node_ring;      /**< 01: to and from the flow's worker */
extern const struct weir_node_ops weir_node_origin;    /**< 02: from ourselves */
extern const struct weir_node_ops weir_node_parse;     /**< 10: what is it, and is it whole */
extern const struct weir_node_ops weir_node_neigh_in;  /**< 15: ARP and ND */
extern const struct weir_node_ops weir_node_defrag;    /**< 20: fragments for us */
extern const struct weir_node_ops weir_node_conntrack; /**< 30: the flow that it belongs to */
extern const struct weir_node_ops weir_node_balance;   /**< 35: where a new flow goes */
extern const struct weir_node_ops weir_node_acl;       /**< 40: may a new flow pass? */
extern const struct weir_node_ops weir_node_filter;    /**< 40: may this packet pass? */
extern const struct weir_node_ops weir_node_dpi;       /**< 45: what is in the payload */
extern const struct weir_node_ops weir_node_nat;       /**< 50: addresses as the flow has them */
extern const struct weir_node_ops weir_node_route;     /**< 60: the next hop */
extern const struct weir_node_ops weir_node_host;      /**< 65: a host forwards nothing */
extern const struct weir_node_ops weir_node_local;     /**< 70: for us */
extern const struct weir_node_ops weir_node_reject;    /**< 75: answers with an error */
extern const struct weir_node_ops weir_node_neigh_out; /**< 80: the next hop's MAC address */
extern const struct weir_node_ops weir_node_tx;	       /**< 90: to the ports */
extern const struct weir_node_ops weir_node_punt;      /**< 95: to the kernel */
extern const struct weir_node_ops weir_node_drop;      /**< 99: counted and freed */
