//! The tables themselves. `required` means not nullable.

use super::{Action, Bound, Edm, EntitySet, EntityType, EnumType, Form, Navigation, Property};

const fn optional(name: &'static str, edm: Edm) -> Property {
    Property {
        name,
        edm,
        nullable: true,
        collection: false,
    }
}

const fn required(name: &'static str, edm: Edm) -> Property {
    Property {
        name,
        edm,
        nullable: false,
        collection: false,
    }
}

const fn text(name: &'static str) -> Property {
    optional(name, Edm::String)
}

const fn flag(name: &'static str) -> Property {
    required(name, Edm::Boolean)
}

const fn int(name: &'static str) -> Property {
    required(name, Edm::Int32)
}

const fn decimal(name: &'static str) -> Property {
    required(name, Edm::Decimal)
}

const fn moment(name: &'static str) -> Property {
    required(name, Edm::DateTimeOffset)
}

const fn list(name: &'static str, edm: Edm) -> Property {
    Property {
        name,
        edm,
        nullable: true,
        collection: true,
    }
}

const fn one(name: &'static str, target: &'static str) -> Navigation {
    Navigation {
        name,
        target,
        collection: false,
    }
}

const fn many(name: &'static str, target: &'static str) -> Navigation {
    Navigation {
        name,
        target,
        collection: true,
    }
}

const fn closed(
    name: &'static str,
    key: &'static str,
    properties: &'static [Property],
    navigation: &'static [Navigation],
) -> EntityType {
    EntityType {
        name,
        key: Some(key),
        open: false,
        properties,
        navigation,
    }
}

const fn open(
    name: &'static str,
    key: &'static str,
    properties: &'static [Property],
    navigation: &'static [Navigation],
) -> EntityType {
    EntityType {
        name,
        key: Some(key),
        open: true,
        properties,
        navigation,
    }
}

const fn complex(name: &'static str, properties: &'static [Property]) -> EntityType {
    EntityType {
        name,
        key: None,
        open: false,
        properties,
        navigation: &[],
    }
}

const fn open_complex(name: &'static str, properties: &'static [Property]) -> EntityType {
    EntityType {
        name,
        key: None,
        open: true,
        properties,
        navigation: &[],
    }
}

pub(crate) const TYPES: &[EntityType] = &[
    open(
        "Document",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            moment("createDate"),
            flag("createdOnPDA"),
            required("documentTypeName", Edm::String),
            moment("lastChangeDate"),
            flag("modified"),
            flag("inProcess"),
            flag("finished"),
            text("appointment"),
            text("userId"),
            text("userName"),
            text("warehouseId"),
            text("barcode"),
            text("description"),
            int("priority"),
            flag("distributeByBarcode"),
            flag("autoAppointed"),
            flag("serverHosted"),
            text("deviceId"),
            text("deviceName"),
            text("deviceIP"),
            int("licenseStatus"),
            flag("notOpenedYet"),
            list("states", Edm::Complex("DocumentState")),
        ],
        &[
            many("declaredItems", "DocumentItem"),
            many("currentItems", "DocumentItem"),
            many("combinedItems", "DocumentItem"),
            many("tables", "DocumentTable"),
            one("extendedFields", "DocumentExtendedFields"),
        ],
    ),
    complex(
        "DocumentState",
        &[
            flag("modified"),
            moment("modifiedDate"),
            flag("inProcess"),
            moment("inProcessDate"),
            flag("finished"),
            moment("finishedDate"),
            required("processingTime", Edm::Duration),
            text("userId"),
        ],
    ),
    closed(
        "DocumentExtendedFields",
        "id",
        &[
            required("id", Edm::String),
            flag("underloaded"),
            flag("overloaded"),
            flag("underloadedOrOverloaded"),
        ],
        &[],
    ),
    closed(
        "DocumentTable",
        "name",
        &[
            required("name", Edm::String),
            int("version"),
            moment("lastChangeDate"),
            list("searchOrder", Edm::String),
        ],
        &[many("fields", "FieldInfo"), many("rows", "Row")],
    ),
    open(
        "DocumentItem",
        "uid",
        &[
            required("uid", Edm::String),
            required("createdBy", Edm::Enum("CreatedBy")),
            text("productId"),
            decimal("declaredQuantity"),
            decimal("currentQuantity"),
            decimal("currentQuantityWithBinding"),
            decimal("packingUnitsQuantity"),
            text("firstStorageId"),
            text("secondStorageId"),
            text("firstStorageBarcode"),
            text("secondStorageBarcode"),
            text("firstCellId"),
            text("secondCellId"),
            text("packingId"),
            text("sscc"),
            text("bindedLineUid"),
            text("productName"),
            text("productMarking"),
            text("productBarcode"),
            text("packingName"),
            moment("registeredDate"),
            moment("registrationDate"),
            moment("expiredDate"),
            int("index"),
            optional("packing", Edm::Complex("Packing")),
            optional("pallet", Edm::Complex("Pallet")),
        ],
        &[one("product", "Product"), one("bindedLine", "DocumentItem")],
    ),
    open(
        "Product",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            text("unitId"),
            required("unitConvertionRate", Edm::Double),
            text("barcode"),
            text("basePackingId"),
            text("marking"),
            int("versionNumber"),
            list("classificatorIds", Edm::String),
            list("packings", Edm::Complex("Packing")),
        ],
        &[one("quantityPolicy", "QuantityPolicy")],
    ),
    open_complex(
        "Packing",
        &[
            text("id"),
            text("name"),
            text("barcode"),
            text("marking"),
            list("barcodes", Edm::String),
            required("selfWeight", Edm::Double),
            required("selfVolume", Edm::Double),
            decimal("unitsQuantity"),
        ],
    ),
    open_complex("Pallet", &[text("id"), text("name"), text("barcode")]),
    closed(
        "QuantityPolicy",
        "id",
        &[
            required("id", Edm::String),
            flag("multiline"),
            list("packingIds", Edm::String),
        ],
        &[],
    ),
    closed(
        "ProductSchema",
        "oDataKey",
        &[
            required("oDataKey", Edm::String),
            list("commonTemplates", Edm::String),
            required(
                "barcodeExtendedSearchMode",
                Edm::Enum("BarcodeExtendedSearchMode"),
            ),
            flag("autoExchangeWhileInProcess"),
            flag("autoExchangeDeviceOnUpdate"),
            int("updateMaxSize"),
            int("productsXmlSizeForSupportUpdates"),
            flag("serverSide"),
            flag("erpSide"),
            flag("deviceSide"),
            flag("serverSearchPriority"),
            list("searchOrder", Edm::String),
            required(
                "documentProductsSavingMode",
                Edm::Enum("DocumentProductsSavingMode"),
            ),
        ],
        &[
            many("fields", "FieldInfo"),
            many("allFields", "FieldInfo"),
            many("defaultFields", "FieldInfo"),
        ],
    ),
    closed(
        "UserGroup",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            flag("batchMode"),
            required("role", Edm::Enum("RoleUserGroup")),
            text("autorunDocumentTypeName"),
            text("onStartHandlerName"),
            text("onFinishHandlerName"),
            list("documentTypeNames", Edm::String),
            flag("serverSideInventory"),
        ],
        &[many("users", "User")],
    ),
    open(
        "User",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            text("password"),
            text("barcode"),
            text("groupId"),
            text("groupName"),
            text("description"),
            list("warehouseIds", Edm::String),
        ],
        &[],
    ),
    closed(
        "Warehouse",
        "id",
        &[required("id", Edm::String), text("storageId"), text("name")],
        &[many("cells", "Cell")],
    ),
    open(
        "Cell",
        "id",
        &[
            required("id", Edm::String),
            text("barcode"),
            text("name"),
            text("description"),
        ],
        &[],
    ),
    open(
        "CellWrapper",
        "id",
        &[
            required("id", Edm::String),
            text("warehouseId"),
            text("barcode"),
            text("description"),
            text("name"),
        ],
        &[],
    ),
    closed(
        "DocumentType",
        "uni",
        &[
            required("uni", Edm::String),
            text("name"),
            text("displayName"),
            text("alias"),
            flag("clientCreating"),
            flag("autoCreateNewDocument"),
            flag("autoStartNewDocumentCreation"),
            flag("autoStartNewDocumentCreationForEmptyList"),
            flag("autoOpenSigleDocument"),
            flag("inaccessibleForDocumentAbsence"),
            flag("showDeclaredQuantities"),
            flag("input"),
            flag("output"),
            flag("manualDocumentSelection"),
            flag("barcodeDocumentSelection"),
            flag("checkServerBarcodes"),
            flag("cyclic"),
            flag("manualExit"),
            flag("fullscreen"),
            flag("runDataExchangeOnDocumentCompleted"),
            flag("virtual"),
            flag("removeAfterFinish"),
            flag("writeChangeInfoToDocument"),
            flag("showDocumentsFromServerInList"),
            flag("showFinishedServerDocuments"),
            flag("showInProcessServerDocuments"),
            flag("askWarehouseBeforeDocumentSelection"),
            flag("allowRemoveDocuments"),
            flag("allowExchangeDataForServerDocs"),
            flag("playFinishSound"),
            int("removingDelay"),
            int("refreshTimeForServerList"),
            text("labelTypeName"),
            text("documentSelectionText"),
            text("buttonColor"),
            text("visible"),
            text("enabled"),
            text("beforeDocumentOpeningOperation"),
            text("onUploadDocumentToServer"),
            text("filterForSendingToDevice"),
            text("filterForSendingFromDevice"),
            text("filterForShowingInList"),
            text("sortingInList"),
            text("filePath"),
            required(
                "needExchangeDataBeforeOpen",
                Edm::Enum("NeedExchangeDataBeforeOpen"),
            ),
            list("infoStrings", Edm::Complex("InfoString")),
        ],
        &[
            many("tables", "DocumentTableInfo"),
            many("fields", "FieldInfo"),
            many("allFields", "FieldInfo"),
            many("defaultFields", "FieldInfo"),
            many("columns", "FieldInfo"),
            many("allColumns", "FieldInfo"),
            many("defaultColumns", "FieldInfo"),
        ],
    ),
    complex(
        "InfoString",
        &[
            text("keyName"),
            text("prefix"),
            flag("showEmpty"),
            text("emptyString"),
        ],
    ),
    closed(
        "FieldInfo",
        "uni",
        &[
            required("uni", Edm::String),
            text("dirName"),
            text("fieldName"),
            text("displayName"),
            text("alias"),
            text("comment"),
            text("fieldType"),
            text("valueTemplate"),
            flag("isEmbedded"),
            flag("oneTimeTemplateExecution"),
            flag("issqlKeyIndex"),
            flag("issqlIndex"),
            flag("issqlSubstringIndex"),
            int("eanAI"),
            required("fieldOwners", Edm::Enum("FieldOwners")),
        ],
        &[],
    ),
    closed(
        "DocumentTableInfo",
        "name",
        &[
            required("name", Edm::String),
            text("displayName"),
            text("uni"),
            text("filePath"),
            flag("onlyLocal"),
            flag("serverTable"),
            flag("serverSide"),
            flag("erpSide"),
            flag("deviceSide"),
            flag("serverSearchPriority"),
            list("searchOrder", Edm::String),
            flag("issqlTable"),
            text("multiColumnSearchIndexList"),
            text("method"),
            int("updatePeriod"),
            flag("autoExchangeDeviceOnUpdate"),
        ],
        &[
            many("fields", "FieldInfo"),
            many("allFields", "FieldInfo"),
            many("defaultFields", "FieldInfo"),
        ],
    ),
    open(
        "Row",
        "uid",
        &[required("uid", Edm::String), int("index")],
        &[],
    ),
    open(
        "DeviceInfo",
        "deviceId",
        &[
            required("deviceId", Edm::String),
            text("appInstanceId"),
            text("pincode"),
            text("batteryStatus"),
            text("userId"),
            text("userGroupId"),
            text("warehouseId"),
            text("documentId"),
            text("documentTypeName"),
            text("cellId"),
            text("deviceName"),
            text("deviceIP"),
            text("clientVersion"),
            text("environmentVersion"),
            moment("lastInfoTime"),
            moment("deviceLicenseExpires"),
            moment("deviceSupportUntilDate"),
            flag("hasDeviceLicense"),
            flag("isServerSupportUntilDate"),
            flag("serverHostedDocument"),
        ],
        &[],
    ),
    closed(
        "License",
        "filePath",
        &[
            required("filePath", Edm::String),
            text("uid"),
            text("presetId"),
        ],
        &[],
    ),
    open(
        "MessageInfo",
        "id",
        &[
            required("id", Edm::String),
            text("appointment"),
            text("sender"),
            text("text"),
            flag("isError"),
            flag("delivered"),
            flag("readed"),
            moment("added"),
            moment("sendedDateTime"),
            required("ttl", Edm::Duration),
            list("readedBy", Edm::String),
            list("sendedTo", Edm::String),
            list("deliveredTo", Edm::String),
        ],
        &[],
    ),
    open(
        "InvokeOperation",
        "operationName",
        &[required("operationName", Edm::String)],
        &[],
    ),
    open(
        "UntypedCustomSettings",
        "name",
        &[
            required("name", Edm::String),
            optional("value", Edm::Untyped),
        ],
        &[],
    ),
    closed(
        "BaseInfo",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            text("folder"),
            text("appId"),
            text("appName"),
            text("comment"),
            text("serverVersion"),
            text("configurationVersion"),
            text("connectionQRCode"),
            list("allConnectionStrings", Edm::String),
            optional("appDescription", Edm::Complex("AppDescription")),
            optional("appInstanceSettings", Edm::Complex("AppInstanceSettings")),
        ],
        &[],
    ),
    // Ours: the vendor has no place for the configuration's properties.
    closed(
        "Configuration",
        "id",
        &[
            required("id", Edm::String),
            text("name"),
            text("androidClientVersion"),
            text("mobileClientVersion"),
            text("editorVersion"),
            text("serverVersion"),
            flag("popupMessages"),
            flag("detailedErrors"),
            flag("documentCountsOnButtons"),
            text("warehouseSelectionText"),
            text("author"),
            int("version"),
            text("authorMachine"),
            moment("lastUpdate"),
            flag("returnOthersDocuments"),
            flag("barcodeLogin"),
            flag("askReturnOnUserChange"),
            text("comment"),
            text("exitPassword"),
            flag("exitPasswordSet"),
            int("backupDays"),
            int("backupMegabytes"),
        ],
        &[],
    ),
    // Ours too: copies of documents.
    closed(
        "Backup",
        "file",
        &[
            required("file", Edm::String),
            text("documentId"),
            moment("taken"),
            required("reason", Edm::String),
            text("user"),
            required("bytes", Edm::Double),
        ],
        &[],
    ),
    complex(
        "AppDescription",
        &[
            text("appId"),
            text("appName"),
            flag("desktopReqPayment"),
            text("configId"),
            flag("serverModeSupported"),
            flag("onlineCallsSupported"),
            flag("batchModeSupported"),
            text("appLink"),
            text("appSupportLink"),
            text("aboutLicLink"),
            text("appVersionsLink"),
            text("comment"),
            text("appVersion"),
            text("clientVersion"),
            text("panelVersion"),
            text("mainServerVersion"),
            text("appServerVersion"),
            text("minPlatformVersion"),
            text("minPlatform35Version"),
        ],
    ),
    complex(
        "AppInstanceSettings",
        &[
            required("mode", Edm::Enum("AppInstanceMode")),
            flag("hasServerAuth"),
            optional("serverSettings", Edm::Complex("ServerSettings")),
            optional(
                "connectionIdentifyingRules",
                Edm::Complex("ConnectionIdentifyingRules"),
            ),
        ],
    ),
    complex(
        "ServerSettings",
        &[
            optional("dataService", Edm::Complex("ServiceSettings")),
            optional("printService", Edm::Complex("ServiceSettings")),
        ],
    ),
    complex(
        "ServiceSettings",
        &[
            flag("enabled"),
            int("port"),
            flag("useHttps"),
            flag("deviceAuth"),
            flag("passwordAuth"),
        ],
    ),
    complex(
        "ConnectionIdentifyingRules",
        &[
            flag("byMachineName"),
            flag("byWindowsUserName"),
            flag("byIp"),
        ],
    ),
    closed("ExtendedFields", "id", &[required("id", Edm::String)], &[]),
];

pub(crate) const ENUMS: &[EnumType] = &[
    EnumType {
        name: "CreatedBy",
        namespace: super::NAMESPACE,
        flags: false,
        members: &[("Unknown", 0), ("Server", 1), ("Device", 2), ("ERP", 3)],
    },
    EnumType {
        name: "RoleUserGroup",
        namespace: "Cleverence.Security",
        flags: false,
        members: &[
            ("MobileDeviceUser", 0),
            ("Internal", 1),
            ("Administrator", 2),
            ("User", 3),
        ],
    },
    EnumType {
        name: "NeedExchangeDataBeforeOpen",
        namespace: super::NAMESPACE,
        flags: false,
        members: &[("No", 0), ("Yes", 1), ("OnlyForServer", 2)],
    },
    EnumType {
        name: "AppInstanceMode",
        namespace: super::NAMESPACE,
        flags: false,
        members: &[("Device", 0), ("Folder", 1), ("Server", 2)],
    },
    EnumType {
        name: "BarcodeExtendedSearchMode",
        namespace: super::NAMESPACE,
        flags: false,
        members: &[("Auto", 0), ("OriginalBarcodeOnly", 1)],
    },
    EnumType {
        name: "DocumentProductsSavingMode",
        namespace: super::NAMESPACE,
        flags: false,
        members: &[("YesWithSearch", 0), ("Yes", 1), ("No", 2), ("Auto", 3)],
    },
    EnumType {
        name: "FieldOwners",
        namespace: super::NAMESPACE,
        flags: true,
        members: &[
            ("Object", 1),
            ("PackedProduct", 2),
            ("Product", 4),
            ("Document", 8),
            ("DocumentItem", 16),
            ("Table", 32),
            ("Row", 64),
        ],
    },
];

const fn on_set(name: &'static str, parameters: &'static [Property]) -> Action {
    Action {
        name,
        bound: Bound::Collection,
        parameters,
    }
}

const fn on_entity(name: &'static str, parameters: &'static [Property]) -> Action {
    Action {
        name,
        bound: Bound::Entity,
        parameters,
    }
}

const DOCUMENT_ACTIONS: &[Action] = &[
    on_entity("EndUpdate", &[]),
    on_entity("Block", &[int("timeout")]),
    on_entity("Unblock", &[]),
];

const UPLOAD_ACTIONS: &[Action] = &[
    on_set("BeginOverwrite", &[]),
    on_set("EndOverwrite", &[]),
    on_set("ResetOverwrite", &[]),
    on_set("BeginUpdate", &[]),
    on_set("EndUpdate", &[]),
    on_set("ResetUpdate", &[]),
];

const CELL_ACTIONS: &[Action] = &[
    on_set("BeginOverwrite", &[text("warehouseId")]),
    on_set("EndOverwrite", &[text("warehouseId")]),
    on_set("ResetOverwrite", &[text("warehouseId")]),
    on_set("BeginUpdate", &[text("warehouseId")]),
    on_set("EndUpdate", &[text("warehouseId")]),
    on_set("ResetUpdate", &[text("warehouseId")]),
];

const PRODUCT_ACTIONS: &[Action] = &[
    on_set("BeginOverwrite", &[]),
    on_set("EndOverwrite", &[]),
    on_set("ResetOverwrite", &[]),
    on_set("BeginUpdate", &[]),
    on_set("EndUpdate", &[]),
    on_set("ResetUpdate", &[]),
    on_set(
        "BeginUploadProducts",
        &[
            list("lschema", Edm::String),
            flag("rewriteProductsBook"),
            flag("useFullTextSearch"),
        ],
    ),
    on_set("AddProductsToUpload", &[list("flds", Edm::String)]),
    on_set("AddProductToUpload", &[list("values", Edm::String)]),
    on_set("EndUploadProducts", &[]),
    on_set("ResetUploadProducts", &[]),
];

const fn set(name: &'static str, entity_type: &'static str) -> EntitySet {
    EntitySet {
        name,
        entity_type,
        form: Form::Collection,
        has_parts: false,
        actions: &[],
    }
}

const fn set_with(
    name: &'static str,
    entity_type: &'static str,
    actions: &'static [Action],
) -> EntitySet {
    EntitySet {
        name,
        entity_type,
        form: Form::Collection,
        has_parts: false,
        actions,
    }
}

const fn set_of_parts(
    name: &'static str,
    entity_type: &'static str,
    actions: &'static [Action],
) -> EntitySet {
    EntitySet {
        name,
        entity_type,
        form: Form::Collection,
        has_parts: true,
        actions,
    }
}

pub(crate) const ENTITY_SETS: &[EntitySet] = &[
    set("UserGroups", "UserGroup"),
    set("Users", "User"),
    set("Warehouses", "Warehouse"),
    set("Devices", "DeviceInfo"),
    set("Licenses", "License"),
    set_with("Products", "Product", PRODUCT_ACTIONS),
    set("TablesInfo", "DocumentTableInfo"),
    set_of_parts("Tables", "Row", UPLOAD_ACTIONS),
    set("Row", "Row"),
    set("DocTypes", "DocumentType"),
    set("Messages", "MessageInfo"),
    set("DocumentItem", "DocumentItem"),
    set_of_parts("Docs", "Document", DOCUMENT_ACTIONS),
    set_with("Cells", "CellWrapper", CELL_ACTIONS),
    set("Operations", "InvokeOperation"),
    EntitySet {
        name: "ProductSchema",
        entity_type: "ProductSchema",
        form: Form::OneOfASet,
        has_parts: false,
        actions: &[],
    },
    set("CustomSettings", "UntypedCustomSettings"),
    set_with(
        "Backups",
        "Backup",
        &[on_set(
            "Restore",
            &[
                text("documentId"),
                text("file"),
                text("content"),
                flag("replace"),
            ],
        )],
    ),
    EntitySet {
        name: "BaseInfo",
        entity_type: "BaseInfo",
        form: Form::Singleton,
        has_parts: false,
        actions: &[],
    },
    EntitySet {
        name: "Configuration",
        entity_type: "Configuration",
        form: Form::Singleton,
        has_parts: false,
        actions: &[],
    },
    EntitySet {
        name: "ExtendedFields",
        entity_type: "ExtendedFields",
        form: Form::Singleton,
        has_parts: false,
        actions: &[],
    },
];
